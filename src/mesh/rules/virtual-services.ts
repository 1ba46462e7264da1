import { isDeepStrictEqual } from 'node:util'
import type { HttpMatch, HttpRoute, StringMatch, VirtualService } from '../istio/types.ts'
import { resourceKey, type Exposure, type Route } from '../records.ts'
import type { Audience } from './audience.ts'
import type { Source } from './source.ts'
import { name } from './names.ts'
import { gatewayNamed, isPassthrough, serversOf, serves, type Arrival } from './gateways.ts'
import { systemNamespace } from '../istio/kinds.ts'
import { byAge, holds, spellings } from './hosts.ts'

/** Where a request must have arrived for a rule to hold: anywhere, or at a server of a Gateway. */
export type Binding = 'all' | Arrival[]

/** One entry of a VirtualService's `http`, with what a delegate says merged in, as it holds for one host. */
export interface BoundRoute {
  /** `NAMESPACE/NAME http[POSITION]`. */
  name: string
  /** Key of the resource that it is in. */
  source: string
  namespace: string
  route: HttpRoute
  /** `audience` is absent where the rule is for whoever asks. */
  matches: { match: HttpMatch | undefined; binding: Binding; audience?: Audience | undefined }[]
}

/** The VirtualServices for a route, as Istio merges them: those that name its host most closely, the operator's first, then by age. */
export function virtualServicesFor(view: Source, route: Pick<Route, 'host' | 'space' | 'destinations'>): VirtualService[] {
  for (const alike of spellings(view, route)) {
    const services = alike.flatMap((host) =>
      [...view.keysOf(name.resources('VirtualService', host))].flatMap((key) => {
        const resource = view.get('resource', key)
        return resource?.kind === 'VirtualService' && holds(view, host, resource.metadata.namespace, route) ? [resource] : []
      }),
    )
    const found = [...new Set(services)]
    if (found.length) return found.sort((a, b) => rank(a) - rank(b) || byAge(a, b))
  }
  return []
}

const rank = ({ metadata }: VirtualService): number => (metadata.namespace === systemNamespace ? 0 : 1)

/** The http entries of a VirtualService that hold for a host on an exposure, delegates in their places. */
export function boundRoutes(view: Source, service: VirtualService, host: string, exposure: Exposure): BoundRoute[] {
  return (service.spec.http ?? []).flatMap((route, position) => {
    const root = boundRoute(view, service, route, position, host, exposure)
    if (!root.matches.length) return []
    if (!route.delegate) return [root]
    return delegated(view, service, root).filter(({ matches }) => matches.length)
  })
}

function boundRoute(
  view: Source,
  service: VirtualService,
  route: HttpRoute,
  position: number,
  host: string,
  exposure: Exposure,
): BoundRoute {
  const { namespace, name } = service.metadata
  const matches = (route.match?.length ? route.match : [undefined]).flatMap((match) => {
    const binding = bindingOf(view, match?.gateways?.length ? match.gateways : service.spec.gateways, namespace, host, exposure)
    return binding ? [{ match, binding }] : []
  })
  return { name: `${namespace}/${name} http[${position}]`, source: resourceKey(service), namespace, route, matches }
}

/** What a delegate's entries become beneath the entry that names it: both must match, and what only the root says holds as well. */
function delegated(view: Source, service: VirtualService, root: BoundRoute): BoundRoute[] {
  const delegate = delegateOf(view, service, root.route.delegate)
  if (!delegate) return []
  const { name, namespace } = delegate.metadata
  return (delegate.spec.http ?? []).map((route, position) => ({
    name: `${namespace}/${name} http[${position}]`,
    source: resourceKey(delegate),
    namespace,
    route: inherited(root.route, route),
    matches: root.matches.flatMap(({ match, binding }) =>
      (route.match?.length ? route.match : [undefined]).flatMap((inner) => {
        const both = bothMatch(match, inner)
        return both === null ? [] : [{ match: both, binding }]
      }),
    ),
  }))
}

/** The VirtualService that one delegates to: of its own namespace, or the operator's; the operator may name any. */
export function delegateOf(view: Source, { metadata }: VirtualService, delegate: HttpRoute['delegate']): VirtualService | undefined {
  const { name = '', namespace = metadata.namespace } = delegate ?? {}
  const found = view.get('resource', `virtualservice/${namespace}/${name}`)
  return found?.kind === 'VirtualService' &&
    [metadata.namespace, systemNamespace].some((own) => own === namespace || metadata.namespace === systemNamespace)
    ? found
    : undefined
}

const inheritable = ['rewrite', 'timeout', 'retries', 'fault', 'mirror', 'mirrors', 'mirrorPercentage', 'corsPolicy', 'headers'] as const

function inherited(root: HttpRoute, route: HttpRoute): HttpRoute {
  const merged: HttpRoute = { ...route }
  for (const field of inheritable)
    Object.assign(merged, root[field] !== undefined && route[field] === undefined ? { [field]: root[field] } : {})
  return merged
}

/**
 * The conditions of two matches together; null where they contradict each other, so that the delegate's entry is left out, as Istio does
 * it.
 */
function bothMatch(outer: HttpMatch | undefined, inner: HttpMatch | undefined): HttpMatch | undefined | null {
  if (!outer || !inner) return outer ?? inner
  if (!lies(inner.uri, outer.uri)) return null
  if (single.some((field) => contradict(outer[field], inner[field]))) return null
  if (tables.some((field) => Object.entries(inner[field] ?? {}).some(([name, condition]) => contradict(outer[field]?.[name], condition))))
    return null
  const merged = tables.flatMap((field) => (outer[field] || inner[field] ? [[field, { ...outer[field], ...inner[field] }]] : []))
  return { ...outer, ...inner, ...(Object.fromEntries(merged) as HttpMatch) }
}

const single = ['scheme', 'method', 'authority', 'port', 'ignoreUriCase', 'sourceNamespace'] as const
const tables = ['headers', 'withoutHeaders', 'queryParams', 'sourceLabels'] as const

const contradict = (outer: unknown, inner: unknown): boolean =>
  outer !== undefined && inner !== undefined && !isDeepStrictEqual(outer, inner)

/** Whether a delegate's path is among those of the entry that names it. */
function lies(inner: HttpMatch['uri'], outer: HttpMatch['uri']): boolean {
  if (!inner || !outer || isDeepStrictEqual(inner, outer)) return true
  const path = inner.exact ?? inner.prefix
  return outer.prefix !== undefined && path !== undefined && path.startsWith(outer.prefix)
}

/**
 * The entries of several VirtualServices of one host, one service after the other; those that are for every request come last, so that they
 * hide none of another's, as Istio's gateways merge them.
 */
export function mergedRoutes(services: BoundRoute[][]): BoundRoute[] {
  if (services.length < 2) return services.flat()
  const entries = services.flat()
  return [...entries.filter((entry) => !isForAll(entry)), ...entries.filter(isForAll)]
}

const isForAll = ({ matches }: BoundRoute): boolean =>
  matches.some(
    ({ match, binding }) =>
      binding === 'all' &&
      conditionsOf(match).every(([field, value]) => field === 'uri' && ['/', ''].includes((value as StringMatch).prefix ?? 'x')),
  )

/** What a match asks for; `name` and `gateways`, which is its binding, ask for nothing of a request. */
const conditionsOf = (match: HttpMatch = {}): [string, unknown][] =>
  Object.entries(match).filter(([field]) => !['name', 'gateways', 'ignoreUriCase', 'statPrefix'].includes(field))

/**
 * Where rules of `gateways` hold for a host: with none, or `mesh`, everywhere; with Gateways, for what arrives by one of their servers that
 * has the host.
 */
function bindingOf(view: Source, gateways: string[] | undefined, namespace: string, host: string, exposure: Exposure): Binding | undefined {
  if (!gateways?.length || gateways.includes('mesh')) return 'all'
  if (exposure === 'int') return undefined
  const arrivals = gateways.flatMap((written) => {
    const gateway = gatewayNamed(view, written, namespace)
    return gateway
      ? serversOf(gateway).filter(({ server }) => serves(server, host, namespace, gateway.metadata.namespace) && !isPassthrough(server))
      : []
  })
  return arrivals.length ? arrivals.map(({ arrival }) => arrival) : undefined
}
