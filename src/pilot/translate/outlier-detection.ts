import type { Feature } from './feature.ts'
import { duration } from './proto.ts'

/**
 * Instances that fail are left out for a while. Istio: DestinationRule outlierDetection. Failures of gateways (502, 503, 504) and 5xx count
 * as they are asked for; Envoy's own further ways of ejecting are off.
 */
export const outlierDetection: Feature = {
  cluster: ({ policy }) => {
    const outlier = policy?.outlierDetection
    if (!outlier) return {}
    const { interval, baseEjectionTime, maxEjectionPercent, splitExternalLocalOriginErrors: split } = outlier
    const consecutive = outlier.consecutive5xxErrors ?? outlier.consecutiveErrors
    const gateway = outlier.consecutiveGatewayErrors
    const local = outlier.consecutiveLocalOriginFailures
    return {
      outlierDetection: {
        ...(interval === undefined ? {} : { interval: duration(interval) }),
        ...(baseEjectionTime === undefined ? {} : { baseEjectionTime: duration(baseEjectionTime) }),
        ...(maxEjectionPercent === undefined ? {} : { maxEjectionPercent }),
        ...(consecutive === undefined ? {} : { consecutive5xx: consecutive, enforcingConsecutive5xx: consecutive > 0 ? 100 : 0 }),
        ...(gateway === undefined ? {} : { consecutiveGatewayFailure: gateway, enforcingConsecutiveGatewayFailure: gateway > 0 ? 100 : 0 }),
        ...(split ? { splitExternalLocalOriginErrors: true } : {}),
        ...(local === undefined
          ? {}
          : { consecutiveLocalOriginFailure: local, enforcingConsecutiveLocalOriginFailure: local > 0 ? 100 : 0 }),
        enforcingSuccessRate: 0,
      },
    }
  },
}
