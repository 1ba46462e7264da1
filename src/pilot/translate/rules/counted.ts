import type { MessageInitShape } from '@bufbuild/protobuf'
import type { HeaderMatcherSchema, RateLimit_ActionSchema } from '../../../common/proto/gen/envoy/config/route/v3/route_components_pb.js'
import { headerOf } from '../../../mesh/istio/limits.ts'
import type { HttpMatch, Limit } from '../../../mesh/istio/types.ts'
import type { HostLimits } from '../../rules/rate-limits.ts'
import { callers as callersFeature } from './callers.ts'
import { match as matchFeature } from './match.ts'
import { literal } from './strings.ts'

type Action = MessageInitShape<typeof RateLimit_ActionSchema>
type Header = MessageInitShape<typeof HeaderMatcherSchema>

/** One limit of a RateLimit, and what of a request says whose count it is. */
export interface Counted {
  limit: Limit
  /** What all requests that count have in common, as Envoy's descriptor entries; of the last one the value is each client's own. */
  entries: { key: string; value: string }[]
  /** A way to that descriptor for each of the RateLimit's matches, of which a request takes one at most. */
  ways: Action[][]
}

/** The limits of a RateLimit. `position` is that of the limit in its list. */
export function countedOf(limits: HostLimits): Counted[] {
  const conditions = limits.matches.map((one) => headersOf(one, limits))
  return limits.spec.limits.map((limit, position) => {
    const own = ownOf(limit)
    // Each way must give the same entries, so that all count together.
    const ways = (conditions.length ? conditions : [scopeOf(limits)]).map((headers, at) => [
      generic('rate_limit', `${limits.id}/${position}`),
      generic('path', limits.path || '/'),
      matching(headers, true),
      ...conditions.slice(0, at).map((earlier) => matching(earlier, false)),
      ...conditions.slice(at + 1).map(() => generic('header_match', 'no')),
      ...(own ? [own.action] : []),
    ])
    const entries = [
      { key: 'rate_limit', value: `${limits.id}/${position}` },
      { key: 'path', value: limits.path || '/' },
      { key: 'header_match', value: 'yes' },
      ...conditions.slice(1).map(() => ({ key: 'header_match', value: 'no' })),
      ...(own ? [{ key: own.key, value: '' }] : []),
    ]
    return { limit, entries, ways }
  })
}

const generic = (descriptorKey: string, descriptorValue: string): Action => ({
  actionSpecifier: { case: 'genericKey', value: { descriptorKey, descriptorValue } },
})

const matching = (headers: Header[], expectMatch: boolean): Action => ({
  actionSpecifier: {
    case: 'headerValueMatch',
    value: { descriptorKey: 'header_match', descriptorValue: expectMatch ? 'yes' : 'no', expectMatch, headers },
  },
})

/** Who has a count of his own; nobody with `route`. */
function ownOf({ per }: Limit): { key: string; action: Action } | undefined {
  if (per === 'client-ip') return { key: 'remote_address', action: { actionSpecifier: { case: 'remoteAddress', value: {} } } }
  const headerName = headerOf({ per })?.toLowerCase()
  if (headerName === undefined) return undefined
  return {
    key: `header:${headerName}`,
    action: { actionSpecifier: { case: 'requestHeaders', value: { headerName, descriptorKey: `header:${headerName}` } } },
  }
}

const path = (regex: string): Header => ({
  name: ':path',
  headerMatchSpecifier: { case: 'stringMatch', value: { matchPattern: { case: 'safeRegex', value: { regex } } } },
})

/** Requests on the paths of the route. */
function scopeOf({ path: own, without }: HostLimits): Header[] {
  const under = (prefix: string) => path(`${literal(prefix)}([/?].*)?`)
  return [own === '' ? path('.*') : under(own), ...without.map((prefix) => ({ ...under(prefix), invertMatch: true }))]
}

/** All conditions of a match as such of headers, of which the path with its query is one. */
function headersOf({ match, callers }: HostLimits['matches'][number], limits: HostLimits): Header[] {
  const context = { match, binding: 'all' as const, callers, path: '' }
  const headers = [matchFeature, callersFeature].flatMap((feature) => feature.match?.(context).headers ?? [])
  const query = Object.entries(match.queryParams ?? {}).map(([name, value]) =>
    path(`[^?]*\\?(.*&)?${literal(name)}${valueOf(value)}(&.*)?`),
  )
  return [...scopeOf(limits), ...headers, ...uriOf(match), ...query]
}

function uriOf({ uri, ignoreUriCase }: HttpMatch): Header[] {
  const fold = ignoreUriCase ? '(?i)' : ''
  if (uri?.exact !== undefined) return [path(`${fold}${literal(uri.exact)}(\\?.*)?`)]
  if (uri?.regex !== undefined) return [path(`(?:${uri.regex})(\\?.*)?`)]
  return uri?.prefix ? [path(`${fold}${literal(uri.prefix)}.*`)] : []
}

function valueOf({ exact, prefix, regex }: { exact?: string; prefix?: string; regex?: string } = {}): string {
  if (exact !== undefined) return `=${literal(exact)}`
  if (prefix) return `=${literal(prefix)}[^&]*`
  return regex === undefined || regex === '*' ? '(=[^&]*)?' : `=(?:${regex})`
}
