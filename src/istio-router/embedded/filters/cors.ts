import { CorsPolicySchema } from '../../../common/proto/gen/envoy/extensions/filters/http/cors/v3/cors_pb.js'
import { compileString } from '../http/string-matcher.ts'
import { Headers } from '../http/headers.ts'
import { unpack } from '../resources/support.ts'
import type { FilterType } from './filter.ts'

/** Tells browsers which other origins' pages may ask (Fetch Standard, CORS protocol), and answers their preflights. */
export const cors: FilterType = {
  name: 'envoy.filters.http.cors',
  compile: () => ({}),

  perRoute(config, path) {
    const policy = unpack(
      CorsPolicySchema,
      config,
      {
        allow_origin_string_match: true,
        allow_methods: true,
        allow_headers: true,
        expose_headers: true,
        max_age: true,
        allow_credentials: true,
        forward_not_matching_preflights: true,
      },
      path,
    )
    const origins = policy.allowOriginStringMatch.map((matcher, index) =>
      compileString(matcher, `${path}.allow_origin_string_match[${index}]`),
    )
    const allowed = (origin: string): boolean => origins.some((matches) => matches(origin))
    const credentials = policy.allowCredentials ? ['access-control-allow-credentials', 'true'] : []
    const optional = (name: string, value: string): string[] => (value === '' ? [] : [name, value])
    const preflight = [
      ...credentials,
      ...optional('access-control-allow-methods', policy.allowMethods),
      ...optional('access-control-allow-headers', policy.allowHeaders),
      ...optional('access-control-max-age', policy.maxAge),
    ]
    const simple = [...credentials, ...optional('access-control-expose-headers', policy.exposeHeaders)]
    const forwards = policy.forwardNotMatchingPreflights ?? true
    return {
      request(headers, exchange) {
        const origin = headers.get('origin')
        if (origin === undefined || exchange.method !== 'OPTIONS' || !headers.get('access-control-request-method')) return true
        const matches = allowed(origin)
        if (!matches && forwards) return true
        exchange.respond(
          200,
          new Headers([...(matches ? ['access-control-allow-origin', origin, ...preflight] : []), 'content-length', '0']),
          Buffer.alloc(0),
        )
        return false
      },
      response(headers, { headers: request }) {
        const origin = request.get('origin')
        if (origin === undefined || headers.has('access-control-allow-origin') || !allowed(origin)) return
        headers.set('access-control-allow-origin', origin)
        for (let i = 0; i < simple.length; i += 2) headers.set(simple[i]!, simple[i + 1]!)
      },
    }
  },
}
