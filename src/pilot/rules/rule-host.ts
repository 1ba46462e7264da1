import type { HttpMatch, HttpRoute } from '../../mesh/istio/types.ts'
import { routeKey, type Exposure, type Route } from '../../mesh/records.ts'
import type { Source } from '../../mesh/rules/source.ts'
import { callersOf, type Callers } from './callers.ts'
import { targetOf } from './clusters.ts'
import { externalHosts, type ExternalHost } from '../../mesh/rules/external.ts'
import { gateOf, type Gate } from '../../mesh/rules/gate.ts'
import { wildcardsOf } from '../../mesh/rules/hosts.ts'
import type { Policy } from './policies.ts'
import { rateLimitsFor, type HostLimits } from './rate-limits.ts'
import { routesOf } from './services.ts'
import { boundRoutes, mergedRoutes, virtualServicesFor, type Binding, type BoundRoute } from '../../mesh/rules/virtual-services.ts'

/** A cluster that a rule sends to, and its share. */
export interface WeightedTarget {
  cluster: string
  weight: number
  headers: HttpRoute['headers']
  policy: Policy | undefined
}

/** One rule of a host: what must match, and what becomes of the request. */
export interface HttpRule {
  name: string
  /** Key of the resource that it is from. */
  source: string
  /** Path prefix of the platform route that it shapes, on segment boundaries; empty for all paths. */
  path: string
  matches: { match: HttpMatch | undefined; binding: Binding; callers: Callers | undefined }[]
  route: HttpRoute
  targets: WeightedTarget[]
  mirrors: { cluster: string; percent: number }[]
}

/** The paths beneath one platform route: with rules, or as the platform serves them. */
export interface Scope {
  path: string
  /** Cluster of the platform route. */
  cluster: string
  rules: HttpRule[] | undefined
  gate?: Gate | undefined
}

/** A host with rules on the listeners of one exposure: what becomes a virtual host. */
export interface RuleHost {
  exposure: Exposure
  host: string
  /** The longest path first. */
  scopes: Scope[]
  limits: HostLimits[]
  /** What of the resources cannot be served for this host, by their keys. */
  degraded: { key: string; reason: string }[]
}

/** The rules of a host; undefined where none hold, so that it is a platform host like all others. */
export function ruleHostOf(view: Source, exposure: Exposure, host: string): RuleHost | undefined {
  const degraded: RuleHost['degraded'] = []
  const own = routesOf(view, host).filter((route) => route.exposure === exposure)
  const scopes = own.toReversed().map((route) => scopeOf(view, route, degraded))
  const external = own.length || exposure === 'pub' ? [] : externalHosts(view, host)
  if (external.length) scopes.push(externalScope(view, external, degraded))
  const paths = own.map(({ path }) => path)
  const limits = [
    ...own.flatMap((route) => rateLimitsFor(view, route, paths)),
    ...external.flatMap(({ route, audience }) => rateLimitsFor(view, route, [], audience)),
  ]
  if (!limits.length && !scopes.some(({ rules, gate }) => rules || gate)) return undefined
  return { exposure, host, limits, scopes: [...scopes, ...fallbacks(view, exposure, host, scopes)], degraded }
}

/** Where the host's own routes leave paths over, those of wildcard hosts answer, as they would without rules. */
function fallbacks(view: Source, exposure: Exposure, host: string, scopes: Scope[]): Scope[] {
  if (scopes.some(({ path }) => path === '')) return []
  const routes = wildcardsOf(host).flatMap((wildcard) =>
    routesOf(view, wildcard)
      .filter((route) => route.exposure === exposure)
      .toReversed(),
  )
  return routes.map((route) => ({ path: route.path, cluster: routeKey(route), rules: undefined }))
}

function scopeOf(view: Source, route: Route, degraded: RuleHost['degraded']): Scope {
  const bound = mergedRoutes(virtualServicesFor(view, route).map((service) => boundRoutes(view, service, route.host, route.exposure)))
  const rules = bound.map((one) => ruleOf(view, one, route, degraded))
  return { path: route.path, cluster: routeKey(route), rules: rules.length ? rules : undefined, gate: gateOf(view, route) }
}

function externalScope(view: Source, external: ExternalHost[], degraded: RuleHost['degraded']): Scope {
  const rules = external.flatMap(({ route, rules }) => rules.map((one) => ruleOf(view, one, route, degraded)))
  return { path: '', cluster: '', rules }
}

function ruleOf(
  view: Source,
  { name, source, namespace, route, matches }: BoundRoute,
  from: Route,
  degraded: RuleHost['degraded'],
): HttpRule {
  const target = (destination: NonNullable<HttpRoute['mirror']>): { cluster: string; policy: Policy | undefined } => {
    const found = targetOf(view, destination, namespace, from)
    if ('cluster' in found) return found
    degraded.push({ key: source, reason: `${name}: ${found.fault}` })
    return { cluster: nowhere, policy: undefined }
  }
  const destinations = route.route ?? []
  const targets = destinations.map(({ destination, weight, headers }) => ({
    ...target(destination),
    weight: destinations.length === 1 ? 1 : (weight ?? 0),
    headers,
  }))
  const mirrors = [
    ...(route.mirror
      ? [{ ...target(route.mirror), percent: route.mirrorPercentage?.value ?? route.mirrorPercent ?? route.mirror_percent ?? 100 }]
      : []),
    ...(route.mirrors ?? []).map(({ destination, percentage }) => ({ ...target(destination), percent: percentage?.value ?? 100 })),
  ].filter(({ cluster }) => cluster !== nowhere)
  const known = matches.map((one) => ({ ...one, callers: callersOf(view, one.match ?? {}, namespace, from.exposure, one.audience) }))
  return { name, source, path: from.path, matches: known, route, targets: targets.filter(({ weight }) => weight > 0), mirrors }
}

/** The cluster without instances that stands for a destination which is not there: what is sent to it is answered 503. */
export const nowhere = 'rule/nowhere'
