import { ApiVersion } from '../../../common/proto/gen/envoy/config/core/v3/config_source_pb.js'
import {
  RateLimitPerRouteSchema,
  RateLimit_XRateLimitHeadersRFCVersion as Headers,
  RateLimitSchema,
} from '../../../common/proto/gen/envoy/extensions/filters/http/ratelimit/v3/rate_limit_pb.js'
import { duration, packed } from '../proto.ts'
import type { TranslationSettings } from '../settings.ts'
import { countedOf } from './counted.ts'
import type { RuleFeature } from './feature.ts'
import { sizeKey, sizes } from './limit-sizes.ts'

/** The cluster of the operator's rate limit service. */
export const rateLimitCluster = 'mesh/rate-limit-service'

/** The name of the service: what its certificate must bear, and requests to it have as authority. */
export const serviceName = ({ address, serverName }: Service): string => serverName ?? address.split(':')[0]!

type Service = NonNullable<TranslationSettings['rateLimitService']>

const config = (service: Service) =>
  packed(RateLimitSchema, {
    domain: service.domain,
    timeout: duration(service.timeout),
    failureModeDeny: service.refuseWithout,
    enableXRatelimitHeaders: Headers.DRAFT_VERSION_03,
    rateLimitService: {
      transportApiVersion: ApiVersion.V3,
      grpcService: { targetSpecifier: { case: 'envoyGrpc', value: { clusterName: rateLimitCluster, authority: serviceName(service) } } },
    },
  })

/**
 * The same, counted by the operator's service for all routers together (`global: true`). Envoy: envoy.filters.http.ratelimit. The service
 * gets the entries `rate_limit` (NAMESPACE/NAME/POSITION), `path`, `header_match` for each match, and the client's address or the header;
 * and the limit itself.
 */
export const globalRateLimit: RuleFeature = {
  filter: ({ rateLimitService: service }) => (service ? { name: 'envoy.filters.http.ratelimit', config: config(service) } : undefined),

  perHost({ limits }, settings) {
    return settings.rateLimitService && limits.some(({ spec }) => spec.global) ? packed(RateLimitPerRouteSchema, {}) : undefined
  },

  host({ limits }, settings) {
    if (!settings.rateLimitService) return {}
    const counted = limits.filter(({ spec }) => spec.global).flatMap(countedOf)
    return {
      rateLimits: counted.flatMap(({ limit, ways }) => {
        const metadataKey = { key: sizes, path: [{ segment: { case: 'key' as const, value: sizeKey(limit) } }] }
        return ways.map((actions) => ({
          actions,
          limit: { overrideSpecifier: { case: 'dynamicMetadata' as const, value: { metadataKey } } },
        }))
      }),
    }
  },
}
