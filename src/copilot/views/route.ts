import { Type, type Static } from 'typebox'
import type { Destination } from '../../mesh/records.ts'
import { routeNotes } from '../../mesh/route-notes.ts'
import { servingOf, sharesOf, type Server } from '../../mesh/serving.ts'
import type { Conflict } from '../../mesh/conflict.ts'
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
      port: Type.Integer({ description: 'Port of its TLS proxy' }),
      zone: Type.String(),
    }),
    { description: 'Those that requests go to' },
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
  notes: Type.Array(Type.String(), {
    description: 'What it asks for, by its options, its weights and the annotations of its apps, and does not get',
  }),
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
    const { servers } = servingOf(value, {
      process: (guid) => related.get('process', guid),
      instances: (process) => (instances.get(process) ?? []).map(({ key, value }) => [key, value]),
    })
    const shares = sharesOf(value.destinations, servers)
    const shown = value.destinations.map((destination, position) => ({
      ...showDestination(destination, related),
      share: shares[position]!,
      instances: servers.filter((server) => server.destination === position).map((server) => showServer(server, related)),
    }))
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
      notes: routeNotes(
        value,
        value.destinations.map(({ app }) => related.get('app', app)),
      ),
      conflicts: here.filter((conflict) => conflict.key === key).map((conflict) => showConflict(conflict, related)),
    }
  })
}

export function showConflict({ key, route, space, servedSpace, reason }: Conflict, related: Related): Static<typeof ConflictView> {
  return {
    key,
    ...(route && { route }),
    space: related.named('space', space),
    ...(servedSpace && { servedSpace: related.named('space', servedSpace) }),
    reason,
  }
}

function showDestination(
  { app, type, port, protocol, weight, processes }: Destination,
  related: Related,
): Omit<DestinationView, 'share' | 'instances'> {
  const wanted = processes.reduce((sum, process) => sum + (related.get('process', process)?.instances ?? 0), 0)
  return { app: related.named('app', app), type, port, protocol, ...(weight !== undefined && { weight }), wanted }
}

function showServer({ guid, index, process, address, port }: Server, related: Related): DestinationView['instances'][number] {
  return { guid, index, process, address, port, zone: related.get('instance', guid)?.zone ?? '' }
}
