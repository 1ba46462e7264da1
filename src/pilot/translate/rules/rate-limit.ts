import { HeaderValueOption_HeaderAppendAction as Append } from '../../../common/proto/gen/envoy/config/core/v3/base_pb.js'
import { XRateLimitHeadersRFCVersion as Headers } from '../../../common/proto/gen/envoy/extensions/common/ratelimit/v3/ratelimit_pb.js'
import { LocalRateLimitSchema } from '../../../common/proto/gen/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit_pb.js'
import { FractionalPercent_DenominatorType as Denominator } from '../../../common/proto/gen/envoy/type/v3/percent_pb.js'
import type { Limit } from '../../../mesh/istio/types.ts'
import { duration, packed } from '../proto.ts'
import { countedOf } from './counted.ts'
import type { RuleFeature } from './feature.ts'

/** Clients, or values of a header, that are counted apart for one host; the one that was seen longest ago makes room for a new one. */
const counts = 10_000

const units: Record<Limit['unit'], string> = { second: '1s', minute: '1m', hour: '1h', day: '24h' }
const always = { defaultValue: { numerator: 100, denominator: Denominator.HUNDRED } }
const unlimited = { maxTokens: 4_294_967_295, tokensPerFill: 4_294_967_295, fillInterval: duration('1s') }

/**
 * Answers 429 to what goes beyond the limits of a RateLimit, counted by each router with all its workers together. Envoy:
 * envoy.filters.http.local_ratelimit with a token bucket for each descriptor, those of clients and headers made as they come.
 */
export const rateLimit: RuleFeature = {
  filter: { name: 'envoy.filters.http.local_ratelimit', config: packed(LocalRateLimitSchema, { statPrefix: 'rate_limit' }) },

  perHost({ limits }) {
    const counted = limits.filter(({ spec }) => !spec.global).flatMap(countedOf)
    if (!counted.length) return undefined
    return packed(LocalRateLimitSchema, {
      statPrefix: 'rate_limit',
      tokenBucket: unlimited,
      alwaysConsumeDefaultTokenBucket: false,
      filterEnabled: always,
      filterEnforced: always,
      enableXRatelimitHeaders: Headers.DRAFT_VERSION_03,
      enableRetryAfterHeader: true,
      responseHeadersToAdd: [
        { header: { key: 'X-Cf-RouterError', value: 'rate_limited' }, appendAction: Append.OVERWRITE_IF_EXISTS_OR_ADD },
      ],
      maxDynamicDescriptors: counts,
      rateLimits: counted.flatMap(({ ways }) => ways.map((actions) => ({ actions }))),
      descriptors: counted.map(({ limit: { requests, unit, burst }, entries }) => ({
        entries,
        tokenBucket: { maxTokens: burst ?? requests, tokensPerFill: requests, fillInterval: duration(units[unit]) },
      })),
    })
  },
}
