import { CorsPolicySchema, CorsSchema } from '../../../common/proto/gen/envoy/extensions/filters/http/cors/v3/cors_pb.js'
import { packed, seconds } from '../proto.ts'
import type { RuleFeature } from './feature.ts'
import { stringMatcher } from './strings.ts'

/** Which other origins' pages may ask. Istio: VirtualService http[].corsPolicy. Envoy: envoy.filters.http.cors, per route. */
export const cors: RuleFeature = {
  filter: { name: 'envoy.filters.http.cors', config: packed(CorsSchema, {}) },

  perRoute({ route: { corsPolicy: policy } }) {
    if (!policy) return undefined
    const origins = policy.allowOrigins ?? policy.allowOrigin?.map((exact) => (exact === '*' ? { regex: '.*' } : { exact })) ?? []
    return packed(CorsPolicySchema, {
      allowOriginStringMatch: origins.map(stringMatcher),
      allowMethods: (policy.allowMethods ?? []).join(','),
      allowHeaders: (policy.allowHeaders ?? []).join(','),
      exposeHeaders: (policy.exposeHeaders ?? []).join(','),
      ...(policy.maxAge === undefined ? {} : { maxAge: String(seconds(policy.maxAge)) }),
      ...(policy.allowCredentials === undefined ? {} : { allowCredentials: policy.allowCredentials }),
      ...(policy.unmatchedPreflights === 'IGNORE' ? { forwardNotMatchingPreflights: false } : {}),
    })
  },
}
