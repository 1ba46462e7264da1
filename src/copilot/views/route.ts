import { Type, type Static } from 'typebox'
import type { Destination } from '../../mesh/records.ts'
import type { Conflict } from '../components.ts'
import type { Keyed, Store } from '../store/store.ts'
import { Related, unique } from './related.ts'
import { Labels, Named, owner } from './schemas.ts'

const DestinationView = Type.Object({
  app: Named,
  type: Type.String({ description: 'Process type' }),
  port: Type.Integer(),
  protocol: Type.String(),
  weight: Type.Optional(Type.Integer()),
  share: Type.Number({ description: 'Part of the requests that it is to get now, 0 to 1' }),
  wanted: Type.Integer({ description: 'Instances that its processes are to have' }),
  instances: Type.Array(
    Type.Object({
      guid: Type.String(),
      index: Type.Integer(),
      process: Type.String(),
      address: Type.String(),
      port: Type.Integer({ description: 'Port of its TLS proxy; 0 if there is none' }),
      zone: Type.String(),
    }),
  ),
})
type DestinationView = Static<typeof DestinationView>

export const ConflictView = Type.Object({
  key: Type.String({ description: 'Exposure, host and path that two spaces claim' }),
  route: Type.Optional(Type.String({ description: 'Guid of the route that is not served' })),
  space: Named,
  servedSpace: Type.Optional(Named),
  reason: Type.String(),
})

export const RouteView = Type.Object({
  key: Type.String(),
  exposure: Type.String({ description: 'pub: served by the public listeners; int: only by the internal one' }),
  host: Type.String(),
  path: Type.String(),
  ...owner,
  guid: Type.Optional(Type.String()),
  mirrors: Type.Optional(Type.String({ description: 'Host of the route that this one mirrors' })),
  labels: Labels,
  options: Type.Object({}, { additionalProperties: true }),
  state: Type.Enum(['serving', 'no-instances'], { description: 'no-instances: it answers 503' }),
  destinations: Type.Array(DestinationView),
  conflicts: Type.Array(ConflictView, { description: 'Routes of other spaces with this host and path, which are not served' }),
})
export type RouteView = Static<typeof RouteView>

/** Shows routes with all that is known of whom they send to. */
export async function showRoutes(store: Store, routes: Keyed<'route'>[], conflicts: Conflict[]): Promise<RouteView[]> {
  const related = new Related(store)
  const destinations = routes.flatMap(({ value }) => value.destinations)
  const processes = unique(destinations.flatMap((destination) => destination.processes))
  const here = conflicts.filter(({ key }) => routes.some((route) => route.key === key))
  await related.add('app', { keys: unique(destinations.map(({ app }) => app)) })
  await related.add('process', { keys: processes })
  const instances = Map.groupBy(await related.add('instance', { process: processes }), ({ value }) => value.process)
  await related.addSpaces([...routes.map(({ value }) => value.space), ...here.flatMap(({ space, servedSpace }) => [space, servedSpace])])

  return routes.map(({ key, value }) => {
    const shown = shares(value.destinations.map((destination) => showDestination(destination, instances, related)))
    return {
      key,
      exposure: value.exposure,
      host: value.host,
      path: value.path,
      ...related.owner(value.space),
      ...(value.guid && { guid: value.guid }),
      ...(value.mirrors && { mirrors: value.mirrors }),
      labels: value.labels,
      options: value.options,
      state: shown.some(({ instances }) => instances.length) ? 'serving' : 'no-instances',
      destinations: shown,
      conflicts: here.filter((conflict) => conflict.key === key).map((conflict) => showConflict(conflict, related)),
    }
  })
}

export function showConflict({ key, route, space, servedSpace, reason }: Conflict, related: Related): Static<typeof ConflictView> {
  return { key, ...(route && { route }), space: related.named('space', space), ...(servedSpace && { servedSpace: related.named('space', servedSpace) }), reason }
}

function showDestination(destination: Destination, instances: Map<string, Keyed<'instance'>[]>, related: Related): Omit<DestinationView, 'share'> {
  const { app, type, port, protocol, weight, processes } = destination
  const wanted = (process: string): number => related.get('process', process)?.instances ?? 0
  const serving = processes.flatMap((process) => (instances.get(process) ?? []).filter(({ value }) => value.index < wanted(process)))
  return {
    app: related.named('app', app),
    type,
    port,
    protocol,
    ...(weight !== undefined && { weight }),
    wanted: processes.reduce((sum, process) => sum + wanted(process), 0),
    instances: serving
      .flatMap(({ key, value: { index, process, address, zone, ports } }) => {
        const at = ports.find((candidate) => candidate.app === port)
        return at ? [{ guid: key, index, process, address, port: at.tls, zone }] : []
      })
      .sort((a, b) => a.index - b.index || a.guid.localeCompare(b.guid)),
  }
}

/** By weights where there are any, else by the number of instances; what has no instance leaves its share to the others. */
function shares(destinations: Omit<DestinationView, 'share'>[]): DestinationView[] {
  const weighted = destinations.some(({ weight }) => weight !== undefined)
  const parts = destinations.map(({ weight, instances }) => (instances.length ? (weighted ? (weight ?? 0) : instances.length) : 0))
  const total = parts.reduce((sum, part) => sum + part, 0)
  return destinations.map((destination, position) => ({ ...destination, share: total ? parts[position]! / total : 0 }))
}
