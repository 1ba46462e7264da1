import type { Actor, App, Route, Space } from '../store/rows.ts'
import type { Store } from '../store/store.ts'
import { audit } from './audit.ts'

/** Deletes an app with everything of it, as part of the running transaction. Its routes stay, unmapped. */
export function deleteApp(store: Store, app: App, actor: Actor): void {
  for (const route of store.routes.by('app', app.guid)) {
    for (const destination of route.destinations.filter((destination) => destination.app === app.guid)) {
      audit(store, 'audit.app.unmap-route', actor, appTarget(app), { space: app.space }, mappingData(route, destination))
    }
    store.routes.update(
      route.guid,
      { destinations: route.destinations.filter((destination) => destination.app !== app.guid) },
      { touch: false },
    )
  }
  for (const table of [store.deployments, store.revisions, store.processes, store.builds, store.packages, store.droplets]) {
    for (const { guid } of table.by('app', app.guid)) table.remove(guid)
  }
  store.apps.remove(app.guid)
  audit(store, 'audit.app.delete-request', actor, appTarget(app), { space: app.space })
}

/** Deletes a route, as part of the running transaction. */
export function deleteRoute(store: Store, route: Route, actor: Actor, recursive = true): void {
  store.routes.remove(route.guid)
  audit(store, 'audit.route.delete-request', actor, routeTarget(route), { space: route.space }, { request: { recursive } })
}

/** Deletes a space with everything in it, as part of the running transaction. */
export function deleteSpace(store: Store, space: Space, actor: Actor): void {
  for (const app of store.apps.by('space', space.guid)) deleteApp(store, app, actor)
  for (const route of store.routes.by('owner', space.guid)) deleteRoute(store, route, actor)
  for (const route of store.routes.by('space', space.guid)) {
    store.routes.update(route.guid, { sharedSpaces: route.sharedSpaces.filter((guid) => guid !== space.guid) })
  }
  for (const role of store.roles.by('space', space.guid)) store.roles.remove(role.guid)
  store.spaces.remove(space.guid)
  audit(
    store,
    'audit.space.delete-request',
    actor,
    { guid: space.guid, type: 'space', name: space.name },
    { space: space.guid, organization: space.organization },
    { request: { recursive: true } },
  )
}

export function appTarget({ guid, name }: App) {
  return { guid, type: 'app', name }
}

export function routeTarget({ guid, host }: Route) {
  return { guid, type: 'route', name: host }
}

/** What the events of mapping and unmapping say. */
export function mappingData(route: Route, destination: Route['destinations'][number]): Record<string, unknown> {
  return {
    route_guid: route.guid,
    app_port: destination.port,
    route_mapping_guid: destination.guid,
    destination_guid: destination.guid,
    process_type: destination.type,
    weight: destination.weight,
    protocol: destination.protocol,
    ...(Object.keys(route.options).length && { route_options: route.options }),
  }
}
