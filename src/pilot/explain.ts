import type { Destination, Exposure, Route, RouteOptions } from '../mesh/records.ts'
import { candidates } from '../mesh/matching.ts'
import { normalizeHost } from '../mesh/host.ts'
import { normalizePath, splitTarget } from '../mesh/path.ts'
import type { LeftOut } from '../mesh/serving.ts'
import { externalHosts } from '../mesh/rules/external.ts'
import { traceHost, type HostTrace } from '../mesh/rules/trace-host.ts'
import { noRuleOf, traceRules, type Trace, type TracedRequest } from '../mesh/rules/trace.ts'
import { routeNotes } from '../mesh/route-notes.ts'
import { servingOf } from './model/serving.ts'
import { routePolicy } from './rules/clusters.ts'
import { nowhere, type HttpRule } from './rules/rule-host.ts'
import type { ClusterVariant } from './translate/traits.ts'
import type { Translator } from './translate/translator.ts'
import { endpointWeights } from './translate/weights.ts'

/** Why a request goes where it goes. */
export interface Explanation {
  /** What the request is matched by. */
  host: string
  /** Absent where the path is none. */
  path?: string
  exposure: Exposure
  /** What the router answers by itself, if no instance is asked. */
  answer?: { status: number; reason: string }
  /** Keys looked up, from the most specific; the last one is the route that was found, if any was. */
  tried: string[]
  route?: {
    key: string
    guid?: string
    space: { guid: string; name?: string }
    mirrors?: string
    options: RouteOptions
    protocol: ClusterVariant['protocol']
    loadBalancing: string
    /** What was asked for and is not so. */
    notes: string[]
    /** Why its newest record is not in force, where an earlier one is. */
    fault?: string
    destinations: (Omit<Destination, 'app'> & { app: { guid: string; name?: string }; share: number })[]
  }
  /** Of a route with rules: those that were looked at, and what the one that matched does, with the clusters that it sends to. */
  rules?: Trace & { clusters?: { name: string; share: number }[] }
  /** RateLimits of the host, and whether its Gateways want TLS. */
  before?: HostTrace
  instances: { guid: string; app: string; process: string; index: number; address: string; weight: number; share: number }[]
  leftOut: LeftOut[]
}

/** What a request is beside its host and path. */
export interface Asked extends Partial<Pick<TracedRequest, 'method' | 'scheme' | 'headers' | 'space'>> {
  exposure?: Exposure
}

/** Explains what becomes of a request for `host` and `path`, which may have a query, at the listeners of `exposure`. */
export function explain(
  translator: Translator,
  host: string,
  path: string,
  { exposure = 'pub', method = 'GET', scheme = 'http', headers = [], space }: Asked = {},
): Explanation {
  const nothing = { tried: [], instances: [], leftOut: [] }
  const normalHost = normalizeHost(host)
  const { path: bare, query } = splitTarget(path || '/')
  const normalPath = normalizePath(bare)
  if (normalPath === undefined)
    return { host: normalHost, exposure, answer: { status: 400, reason: `${JSON.stringify(path)} is no path` }, ...nothing }

  const request = { host: normalHost, path: normalPath, exposure }
  const keys = candidates(exposure, normalHost, normalPath)
  const { model } = translator
  const at = keys.findIndex((key) => model.get('route', key))
  const tried = at < 0 ? keys : keys.slice(0, at + 1)
  const key = keys[at]
  const route = key === undefined ? undefined : model.get('route', key)
  const asked = { method, scheme, authority: host, path: normalPath, query: query.replace(/^\?/, ''), headers, space }
  if (key === undefined || !route) {
    const [external] = exposure === 'int' ? externalHosts(model, normalHost) : []
    const rules = external && translator.rules.host('int', normalHost)?.scopes[0]?.rules
    if (external && rules) {
      const traced = traceRules(rules, asked)
      const answer = ruledAnswer(rules, traced, external.route)
      return { ...request, ...(answer ? { answer } : {}), ...nothing, tried, rules: { ...traced, clusters: clustersOf(rules, traced) } }
    }
    return {
      ...request,
      answer: { status: 404, reason: faultOf(translator, tried) ?? 'no route has this host and path' },
      ...nothing,
      tried,
    }
  }

  const traits = translator.traitsOf(key, route)
  const notes = routeNotes(
    route,
    route.destinations.map(({ app }) => model.get('app', app)),
    {
      usual: translator.settings,
      balanced: routePolicy(model, route)?.loadBalancer !== undefined,
      protocol: traits.protocol,
    },
  )
  const { servers, leftOut } = servingOf(route, model)
  const { weights, error } = endpointWeights(route.destinations, servers)
  const total = weights?.reduce((sum, weight) => sum + weight, 0) ?? servers.length
  const instances = servers.map(({ guid, app, process, index, address, port }, position) => {
    const weight = weights?.[position] ?? 1
    return {
      guid,
      app,
      process,
      index,
      address: address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`,
      weight,
      share: weight / total,
    }
  })
  const rules = translator.rules.host(exposure, route.host)?.scopes.find((scope) => scope.path === route.path)?.rules
  const traced = rules && traceRules(rules, asked)
  const before = traceHost(model, route, asked)
  const answer =
    before.redirect !== undefined
      ? { status: 301, reason: before.redirect }
      : traced && rules
        ? ruledAnswer(rules, traced, route)
        : servers.length
          ? undefined
          : { status: 503, reason: 'none of its apps has an instance that can be asked' }
  const shareOf = (destination: number): number =>
    instances.reduce((sum, { share }, position) => (servers[position]?.destination === destination ? sum + share : sum), 0)
  return {
    ...request,
    ...(answer ? { answer } : {}),
    tried,
    ...(before.limits.length || before.redirect !== undefined ? { before } : {}),
    ...(traced && rules ? { rules: { ...traced, clusters: clustersOf(rules, traced) } } : {}),
    route: {
      key,
      guid: route.guid,
      space: { guid: route.space, name: model.get('space', route.space)?.name },
      mirrors: route.mirrors,
      options: route.options,
      protocol: traits.protocol,
      loadBalancing: traits.loadBalancing,
      notes: [...notes, ...(error > 0 ? [`weights are rounded by up to ${(error * 100).toPrecision(2)} %`] : [])],
      fault: translator.faultOf(key)?.reason,
      destinations: route.destinations.map((destination, position) => ({
        ...destination,
        app: { guid: destination.app, name: model.get('app', destination.app)?.name },
        share: shareOf(position),
      })),
    },
    instances,
    leftOut,
  }
}

function ruledAnswer(rules: HttpRule[], trace: Trace, route: Route): Explanation['answer'] {
  const { rules: traced, outcome } = trace
  if (!outcome) return { status: 404, reason: noRuleOf(route) }
  const does = `${traced.at(-1)!.rule} ${outcome.does}`
  if (outcome.status !== undefined) return { status: outcome.status, reason: does }
  const clusters = clustersOf(rules, trace)
  return clusters.length && clusters.every(({ name }) => name === nowhere)
    ? { status: 503, reason: `${does}, which is not there` }
    : undefined
}

/** The clusters that the matching rule sends to. */
function clustersOf(rules: HttpRule[], { rules: traced, outcome }: Trace): { name: string; share: number }[] {
  const targets = (outcome && rules[traced.length - 1]?.targets) ?? []
  const total = targets.reduce((sum, { weight }) => sum + weight, 0)
  return targets.map(({ cluster, weight }) => ({ name: cluster, share: weight / total }))
}

function faultOf(translator: Translator, tried: string[]): string | undefined {
  const fault = tried.map((key) => translator.faultOf(key)).find(Boolean)
  return fault && `the route ${fault.key} cannot be served: ${fault.reason}`
}
