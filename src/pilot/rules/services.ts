import type { ServiceEntry, ServicePort } from '../../mesh/istio/types.ts'
import { routeKey, type Destination, type Exposure, type Route } from '../../mesh/records.ts'
import type { Source } from '../model/model.ts'
import { name } from '../model/names.ts'
import { byAge, mayShape, operatorNamespace, serviceNames, spellings } from './hosts.ts'

/**
 * What a rule's `destination.host` names: a route's host; or apps of a space by their label `app`, else by their name; or a
 * host of a ServiceEntry. `id` is `route KEY`, `apps SPACE/NAME` or `entry NAMESPACE/NAME/HOST`.
 */
export type Service = { id: string; space: string; spellings: string[][] } & (
  | { kind: 'apps'; route?: Route; destinations: Destination[] }
  | { kind: 'entry'; host: string; entry: ServiceEntry }
)

/** The port at which an app listens where no route says otherwise. */
const usualPort = 8080

/** Finds the service that a resource of `namespace` calls `host`; among a host's routes that of `from`, where it is one, else that of the shortest path. */
export function findService(view: Source, host: string, namespace: string, from?: Route): Service | undefined {
  const routes = routesOf(view, host).filter((route) => mayShape(namespace, route) || route.exposure === 'pub')
  if (from && routes.some((route) => routeKey(route) === routeKey(from))) return routeService(view, from)
  if (routes[0]) return routeService(view, routes[0])
  return findEntry(view, host, namespace) ?? findApps(view, host, namespace)
}

/** The service of an id. */
export function serviceOf(view: Source, id: string): Service | undefined {
  const [kind, key = ''] = [id.slice(0, id.indexOf(' ')), id.slice(id.indexOf(' ') + 1)]
  if (kind === 'route') {
    const route = view.get('route', key)
    return route && routeService(view, route)
  }
  const [space = '', service = '', host = ''] = key.split('/')
  if (kind === 'apps') return appService(view, space, service)
  const entry = view.get('resource', `serviceentry/${space}/${service}`)
  return entry?.kind === 'ServiceEntry' ? entryService(entry, host) : undefined
}

/** A host's routes, public ones and shorter paths first. */
export function routesOf(view: Source, host: string): Route[] {
  const routes = [...view.keysOf(name.host(host))].flatMap((key) => view.get('route', key) ?? [])
  return routes.sort((a, b) => rank(a.exposure) - rank(b.exposure) || a.path.length - b.path.length || (a.path < b.path ? -1 : 1))
}

const rank = (exposure: Exposure): number => (exposure === 'pub' ? 0 : 1)

export function routeService(view: Source, route: Route): Service {
  return { kind: 'apps', id: `route ${routeKey(route)}`, space: route.space, spellings: spellings(view, route.host, route.space), route, destinations: route.destinations }
}

function entryService(entry: ServiceEntry, host: string): Service {
  const { namespace, name } = entry.metadata
  const [, ...rest] = host.split('.')
  const wildcards = rest.map((_label, position) => [`*.${rest.slice(position).join('.')}`])
  return { kind: 'entry', id: `entry ${namespace}/${name}/${host}`, space: namespace, spellings: [[host], ...wildcards, ['*']], host, entry }
}

/** The entry for `host` that a namespace sees: its own before the operator's, the oldest first; without a namespace the operator's, else the oldest. */
export function findEntry(view: Source, host: string, namespace?: string): Service | undefined {
  const entries = [...view.keysOf(name.resources('ServiceEntry', host))].flatMap((key) => view.get('resource', key) ?? []).filter(({ kind }) => kind === 'ServiceEntry') as ServiceEntry[]
  const seen = namespace === undefined ? entries : entries.filter(({ metadata }) => [namespace, operatorNamespace].includes(metadata.namespace))
  const rank = ({ metadata }: ServiceEntry): number => (metadata.namespace === (namespace ?? operatorNamespace) ? 0 : 1)
  const [first] = seen.sort((a, b) => rank(a) - rank(b) || byAge(a, b))
  return first && entryService(first, host)
}

/** `NAME`, `NAME.SPACE` and so on, as a resource of `namespace` writes it. */
function findApps(view: Source, host: string, namespace: string): Service | undefined {
  const [service = '', space] = host.split('.')
  if (namespace !== operatorNamespace && serviceNames(view, service, namespace).includes(host)) {
    const own = appService(view, namespace, service)
    if (own) return own
  }
  if (space === undefined) return undefined
  for (const guid of view.keysOf(name.spaces(space))) {
    if (mayShape(namespace, { space: guid }) && serviceNames(view, service, guid).includes(host)) return appService(view, guid, service)
  }
  return undefined
}

function appService(view: Source, space: string, service: string): Service | undefined {
  const apps = [...view.keysOf(name.apps(space))].sort().map((guid) => ({ guid, app: view.get('app', guid) }))
  const labelled = apps.filter(({ app }) => app?.labels['app'] === service)
  const members = labelled.length ? labelled : apps.filter(({ app }) => app?.name === service)
  if (!members.length) return undefined
  const destinations = members.map(({ guid }): Destination => {
    const processes = [...view.keysOf(name.processes(guid))].filter((process) => view.get('process', process)?.type === 'web').sort()
    return { app: guid, type: 'web', port: usualPort, protocol: 'http1', processes }
  })
  return { kind: 'apps', id: `apps ${space}/${service}`, space, spellings: [serviceNames(view, service, space), ['*']], destinations }
}

/** The port of an entry that a number names, else its first. */
export function portOf(entry: ServiceEntry, number: number | undefined): ServicePort | undefined {
  return entry.spec.ports?.find((port) => port.number === number) ?? entry.spec.ports?.[0]
}
