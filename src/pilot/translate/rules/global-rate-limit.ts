import { ApiVersion } from '../../../common/proto/gen/envoy/config/core/v3/config_source_pb.js'
import { RateLimitPerRouteSchema, RateLimit_XRateLimitHeadersRFCVersion as Headers, RateLimitSchema } from '../../../common/proto/gen/envoy/extensions/filters/http/ratelimit/v3/rate_limit_pb.js'
import { duration, packed } from '../proto.ts'
import type { TranslationSettings } from '../settings.ts'
import { countedOf, type Action } from './counted.ts'
import type { RuleFeature } from './feature.ts'

/** The cluster of the operator's rate limit service. */
export const rateLimitCluster = 'mesh/rate-limit-service'

const config = ({ rateLimitService: service }: TranslationSettings) =>
  packed(RateLimitSchema, {
    domain: service?.domain ?? 'mesh',
    timeout: duration(service?.timeout ?? '50ms'),
    failureModeDeny: service?.refuseWithout ?? false,
    enableXRatelimitHeaders: Headers.DRAFT_VERSION_03,
    rateLimitService: { transportApiVersion: ApiVersion.V3, grpcService: { targetSpecifier: { case: 'envoyGrpc', value: { clusterName: rateLimitCluster } } } },
  })

/**
 * The same, counted by the operator's service for all routers together (`global: true`). Envoy: envoy.filters.http.ratelimit. The service gets
 * the entries `rate_limit` (NAMESPACE/NAME/POSITION), `limit` (as `100/minute`, with `+BURST` where given), and the client's address or the header.
 */
export const globalRateLimit: RuleFeature = {
  filter: (settings) => (settings.rateLimitService ? { name: 'envoy.filters.http.ratelimit', config: config(settings) } : undefined),

  perHost({ limits }, settings) {
    return settings.rateLimitService && limits.some(({ spec }) => spec.global) ? packed(RateLimitPerRouteSchema, {}) : undefined
  },

  host({ limits }, settings) {
    if (!settings.rateLimitService) return {}
    const counted = limits.filter(({ spec }) => spec.global).flatMap(countedOf)
    return {
      rateLimits: counted.flatMap(({ limit: { requests, unit, burst }, ways }) => {
        const said: Action = { actionSpecifier: { case: 'genericKey', value: { descriptorKey: 'limit', descriptorValue: `${requests}/${unit}${burst === undefined ? '' : `+${burst}`}` } } }
        return ways.map(([id, ...others]) => ({ actions: [id!, said, ...others] }))
      }),
    }
  },
}
