import { RE2JS } from 're2js'
import type { HttpMatch, HttpRoute, StringMatch } from '../istio/types.ts'
import { routeKey, type Route } from '../records.ts'
import { fieldValues, queryValue, wireText } from '../wire.ts'
import { answers } from './audience.ts'
import type { Source } from './source.ts'
import { boundRoutes, mergedRoutes, virtualServicesFor, type BoundRoute } from './virtual-services.ts'

/** A request as rules see it. */
export interface TracedRequest {
  method: string
  scheme: 'http' | 'https'
  /** As the client writes it. */
  authority: string
  /** In normal form, without its query. */
  path: string
  /** Without its `?`. */
  query: string
  headers: readonly (readonly [name: string, value: string])[]
  /** Guid of the space of the app that asks, by its certificate; absent where it shows none. */
  space?: string | undefined
}

/** What became of one rule. */
export interface TracedRule {
  /** `NAMESPACE/NAME http[POSITION]`. */
  rule: string
  /** Key of the resource that it is from. */
  resource: string
  matched: boolean
  /** Which of its matches holds, or what each asks for that is not so. */
  why: string
}

export interface Trace {
  /** The rules that were looked at, in their order; where one matched, it is the last. */
  rules: TracedRule[]
  /** What the matching rule does. */
  outcome?: Outcome
}

export interface Outcome {
  /** In words. */
  does: string
  /** What the router answers by itself. */
  status?: number
  targets: { host: string; subset?: string; port?: number; share: number }[]
}

/** The rules of a route, as the merged VirtualServices for it say them; undefined where it has none. */
export function rulesOf(view: Source, route: Route): BoundRoute[] | undefined {
  const rules = mergedRoutes(virtualServicesFor(view, route).map((service) => boundRoutes(view, service, route.host, route.exposure)))
  return rules.length ? rules : undefined
}

type Traceable = Pick<BoundRoute, 'name' | 'source' | 'route' | 'matches'>

/** Says which of a route's rules a request meets, why none before it, and what it does. */
export function traceRules(rules: Traceable[], request: TracedRequest): Trace {
  const traced: TracedRule[] = []
  for (const { name: rule, source: resource, route, matches } of rules) {
    const misses = matches.map((match) => missOf(match, request))
    const at = misses.indexOf(undefined)
    const labelled = (position: number): string => matches[position]!.match?.name ?? `match ${position + 1}`
    if (at >= 0) {
      const conditional = Object.keys(matches[at]!.match ?? {}).length > 0
      traced.push({
        rule,
        resource,
        matched: true,
        why: conditional ? `${labelled(at)} of ${matches.length} holds` : 'it is for all requests',
      })
      return { rules: traced, outcome: outcomeOf(route) }
    }
    traced.push({
      rule,
      resource,
      matched: false,
      why: misses.length === 1 ? misses[0]! : misses.map((miss, position) => `${labelled(position)}: ${miss}`).join('; '),
    })
  }
  return { rules: traced }
}

/** Istio's port of the listener that a request without a Gateway comes by, and the port that it names. */
export function portsOf({ authority, scheme }: TracedRequest): [arrived: number, named: number] {
  const arrived = scheme === 'https' ? 443 : 80
  return [arrived, Number(/:(\d+)$/.exec(authority)?.[1] ?? arrived)]
}

/** What a match asks for that a request is not; undefined where it holds. */
export function missOf({ match = {}, binding, audience }: BoundRoute['matches'][number], request: TracedRequest): string | undefined {
  const { authority, method, scheme, path, space } = request
  if (!answers(audience, space)) return 'it is for apps of its own space, by their certificates'
  const [arrived, named] = portsOf(request)
  if (binding !== 'all' && !binding.some(({ port }) => port === named || port === arrived))
    return `it is for Gateways' ports ${binding.map(({ port }) => port).join(', ')}`
  const headers = headersOf(request)
  const valuesOf = (name: string): string[] => fieldValues(name.toLowerCase(), headers.get(name.toLowerCase()) ?? [])
  const conditions: [what: string, condition: StringMatch | undefined, values: string[]][] = [
    ['the path', match.uri, [path]],
    ['the scheme', match.scheme, [scheme]],
    ['the method', match.method, [method]],
    ['the host', match.authority, [authority]],
    ...Object.entries(match.headers ?? {}).map(([name, condition]): [string, StringMatch, string[]] => [
      `header ${name}`,
      condition,
      valuesOf(name),
    ]),
    ...Object.entries(match.queryParams ?? {}).map(([name, condition]): [string, StringMatch, string[]] => [
      `parameter ${name}`,
      condition,
      [queryValue(request.query, name) ?? []].flat(),
    ]),
  ]
  for (const [what, condition, values] of conditions) {
    const caseless = what === 'the path' && match.ignoreUriCase === true
    if (condition && !values.some((value) => holds(condition, value, caseless)))
      return `${what} ${values.length ? `is ${values.map((value) => JSON.stringify(value)).join(', ')}` : 'is not there'}, not ${wanted(condition)}`
  }
  const unwanted = Object.entries(match.withoutHeaders ?? {}).find(([name, condition]) => {
    const values = valuesOf(name)
    // One that is not there counts as empty, unless it is asked whether it is there.
    return (values.length || isAnything(condition) ? values : ['']).some((value) => holds(condition, value, false))
  })
  if (unwanted) return `header ${unwanted[0]} is ${wanted(unwanted[1])}, which it is not for`
  const ours = match.port === 80 || match.port === 443
  if (match.port && match.port !== (ours ? arrived : named)) return `the port is ${ours ? arrived : named}, not ${match.port}`
  return callersMiss(match)
}

const callersMiss = ({ sourceLabels, sourceNamespace }: HttpMatch): string | undefined =>
  sourceLabels || sourceNamespace !== undefined ? 'it is for callers that show their certificate on the internal listener' : undefined

/** By name in lower case; the pseudo-headers too. */
function headersOf({ authority, method, scheme, path, query, headers }: TracedRequest): Map<string, string[]> {
  const found = new Map([
    [':authority', [authority]],
    [':method', [method]],
    [':scheme', [scheme]],
    [':path', [query === '' ? path : `${path}?${query}`]],
    ['x-forwarded-proto', [scheme]],
  ])
  for (const [name, value] of headers) found.set(name.toLowerCase(), [...(found.get(name.toLowerCase()) ?? []), value])
  return found
}

function holds({ exact, prefix, regex }: StringMatch, value: string, caseless: boolean): boolean {
  const fold = (text: string): string => (caseless ? text.toLowerCase() : text)
  if (exact !== undefined) return fold(value) === fold(exact)
  if (prefix !== undefined) return fold(value).startsWith(fold(prefix))
  return regex === undefined || regex === '*' || RE2JS.compile(wireText(regex), RE2JS.DOTALL).matches(wireText(value))
}

const isAnything = ({ exact, prefix, regex }: StringMatch): boolean =>
  exact === undefined && !prefix && (regex === undefined || regex === '*')

function wanted({ exact, prefix, regex }: StringMatch): string {
  if (exact !== undefined) return JSON.stringify(exact)
  if (prefix !== undefined) return `what begins with ${JSON.stringify(prefix)}`
  return regex === undefined || regex === '*' ? 'anything' : `what ${regex} matches`
}

function outcomeOf({ route = [], redirect, directResponse, fault }: HttpRoute): Outcome {
  if (redirect)
    return {
      does: `redirects to ${redirect.authority ?? 'the same host'}${redirect.uri ?? ''}`,
      status: redirect.redirectCode ?? 301,
      targets: [],
    }
  if (directResponse) return { does: 'answers by itself', status: directResponse.status, targets: [] }
  const total = route.reduce((sum, { weight = 0 }) => sum + weight, 0)
  const targets = route.map(({ destination: { host, subset, port }, weight = 0 }) => ({
    host,
    ...(subset === undefined ? {} : { subset }),
    ...(port?.number === undefined ? {} : { port: port.number }),
    share: route.length === 1 ? 1 : weight / total,
  }))
  const sent = targets
    .map(
      ({ host, subset, share }) =>
        `${host}${subset === undefined ? '' : ` (subset ${subset})`}${share === 1 ? '' : ` ${Math.round(share * 1000) / 10} %`}`,
    )
    .join(', ')
  return { does: `sends to ${sent || 'nobody'}${fault ? ', with injected faults' : ''}`, targets }
}

/** Why a request that no rule is for is answered 404. */
export const noRuleOf = (route: Route): string => `${routeKey(route)} has rules, and none of them is for this request`

/** Headers that are written as `NAME: VALUE`. */
export function parseHeaders(written: string[]): [name: string, value: string][] {
  return written.map((line) => [line.slice(0, line.indexOf(':')).trim(), line.slice(line.indexOf(':') + 1).trim()])
}
