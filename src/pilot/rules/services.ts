import { appService, namesOfService, resolveService, type AppService } from '../../mesh/istio/services.ts'
import type { ServiceEntry, ServicePort } from '../../mesh/istio/types.ts'
import { routeKey, type Destination, type Exposure, type Route } from '../../mesh/records.ts'
import { readServiceId } from '../../mesh/rules/cluster-name.ts'
import type { Source } from '../../mesh/rules/source.ts'
import { name } from '../../mesh/rules/names.ts'
import { directoryOf } from '../../mesh/rules/directory.ts'
import { spellings, wildcardsOf } from '../../mesh/rules/hosts.ts'

/**
 * What a rule's `destination.host` names: a route's host; or apps of a space by their label `app`, else by their name; or a
 * host of a ServiceEntry. `id` is `route KEY`, `apps SPACE/NAME` or `entry NAMESPACE/NAME/HOST`.
 */
export type Service = { id: string; space: string; spellings: string[][] } & (
  { kind: 'apps'; route?: Route; destinations: Destination[] } | { kind: 'entry'; host: string; entry: ServiceEntry }
)

/** Where an app listens, and what it speaks there, where no route says so. */
const usual = { port: 8080, protocol: 'http1' } as const

/**
 * Finds the service that a resource of `namespace` calls `host`; among a host's routes that of `from`, where it is one, else that of the
 * shortest path.
 */
export function findService(view: Source, host: string, namespace: string, from?: Route): Service | undefined {
  const found = resolveService(host, namespace, directoryOf(view))
  if (found?.kind === 'external') return entryService(found.entry, found.host)
  if (found?.kind === 'apps') return servedBy(view, found)
  if (found?.kind !== 'route') return undefined
  return routeService(view, found.routes.find((route) => from && routeKey(route) === routeKey(from)) ?? found.routes.toSorted(byReach)[0]!)
}

/** The service of an id. */
export function serviceOf(view: Source, id: string): Service | undefined {
  const owner = readServiceId(id)
  if (owner.kind === 'route') {
    const route = view.get('route', owner.route)
    return route && routeService(view, route)
  }
  if (owner.kind === 'apps') {
    const apps = appService(owner.name, owner.space, directoryOf(view))
    return apps && servedBy(view, apps)
  }
  const entry = view.get('resource', `serviceentry/${owner.namespace}/${owner.name}`)
  return entry?.kind === 'ServiceEntry' ? entryService(entry, owner.host) : undefined
}

/** A host's routes, public ones and shorter paths first. */
export const routesOf = (view: Source, host: string): Route[] => [...directoryOf(view).routesOfHost(host)].sort(byReach)

const byReach = (a: Route, b: Route): number =>
  rank(a.exposure) - rank(b.exposure) || a.path.length - b.path.length || (a.path < b.path ? -1 : 1)
const rank = (exposure: Exposure): number => (exposure === 'pub' ? 0 : 1)

export function routeService(view: Source, route: Route): Service {
  return {
    kind: 'apps',
    id: `route ${routeKey(route)}`,
    space: route.space,
    spellings: spellings(view, route),
    route,
    destinations: route.destinations,
  }
}

function entryService(entry: ServiceEntry, host: string): Service {
  const { namespace, name } = entry.metadata
  return {
    kind: 'entry',
    id: `entry ${namespace}/${name}/${host}`,
    space: namespace,
    spellings: [[host], ...wildcardsOf(host).map((wildcard) => [wildcard])],
    host,
    entry,
  }
}

function servedBy(view: Source, { name: service, space, apps }: AppService): Service {
  const destinations = apps.map(({ guid }): Destination => {
    const processes = [...view.keysOf(name.processes(guid))].filter((process) => view.get('process', process)?.type === 'web').sort()
    return { app: guid, type: 'web', ...listeningOf(view, guid), processes }
  })
  return {
    kind: 'apps',
    id: `apps ${space}/${service}`,
    space,
    spellings: [namesOfService(service, space, directoryOf(view)), ['*']],
    destinations,
  }
}

/** The port and protocol (`cf map-route --app-port, --app-protocol`) with which all routes to an app agree. */
function listeningOf(view: Source, app: string): Pick<Destination, 'port' | 'protocol'> {
  const destinations = [...view.keysOf(name.destination(app))].flatMap(
    (key) => view.get('route', key)?.destinations.filter((one) => one.app === app && one.type === 'web') ?? [],
  )
  const agreed = <Value>(values: Value[], otherwise: Value): Value => (new Set(values).size === 1 ? values[0]! : otherwise)
  return {
    port: agreed(
      destinations.map(({ port }) => port),
      usual.port,
    ),
    protocol: agreed(
      destinations.map(({ protocol }) => protocol),
      usual.protocol,
    ),
  }
}

/** The port of an entry that a number names, else its first. */
export function portOf(entry: ServiceEntry, number: number | undefined): ServicePort | undefined {
  return entry.spec.ports?.find((port) => port.number === number) ?? entry.spec.ports?.[0]
}
