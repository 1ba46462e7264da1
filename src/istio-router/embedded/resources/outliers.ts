import { OutlierDetectionSchema, type OutlierDetection } from '../../../common/proto/gen/envoy/config/cluster/v3/outlier_detection_pb.js'
import { millis, requireSupported } from './support.ts'

/** When endpoints are left out for a while; times in milliseconds, counts infinite where they eject nobody. */
export interface OutlierConfig {
  interval: number
  ejectionTime: number
  maxEjectionTime: number
  /** Largest share of a cluster's endpoints that may be out, percent. */
  maxPercent: number
  serverErrors: number
  gatewayErrors: number
  /** Failures that no endpoint told of; counted for themselves where `split`, else as its gateway errors. */
  localErrors: number
  split: boolean
}

/** Compiles an `OutlierDetection`. Throws `Unsupported`. */
export function compileOutliers(message: OutlierDetection | undefined): OutlierConfig | undefined {
  if (!message) return undefined
  requireSupported(
    OutlierDetectionSchema,
    message,
    {
      interval: true,
      base_ejection_time: true,
      max_ejection_time: true,
      max_ejection_percent: true,
      consecutive_5xx: true,
      enforcing_consecutive_5xx: true,
      consecutive_gateway_failure: true,
      enforcing_consecutive_gateway_failure: true,
      consecutive_local_origin_failure: true,
      enforcing_consecutive_local_origin_failure: true,
      split_external_local_origin_errors: true,
      enforcing_success_rate: true,
    },
    'outlier_detection.',
  )
  const count = (value: number | undefined, enforcing: number | undefined, usually: boolean): number =>
    (enforcing ?? (usually ? 100 : 0)) > 0 ? (value ?? 5) : Infinity
  return {
    interval: millis(message.interval, 10_000),
    ejectionTime: millis(message.baseEjectionTime, 30_000),
    maxEjectionTime: millis(message.maxEjectionTime, 300_000),
    maxPercent: message.maxEjectionPercent ?? 10,
    serverErrors: count(message.consecutive5xx, message.enforcingConsecutive5xx, true),
    gatewayErrors: count(message.consecutiveGatewayFailure, message.enforcingConsecutiveGatewayFailure, false),
    localErrors: count(message.consecutiveLocalOriginFailure, message.enforcingConsecutiveLocalOriginFailure, true),
    split: message.splitExternalLocalOriginErrors,
  }
}
