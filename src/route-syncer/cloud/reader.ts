import type { TSchema } from 'typebox'
import type { CloudController, ListFilter } from '../../platform/cloud-controller/client.ts'
import * as CC from '../../platform/cloud-controller/resources.ts'
import type { Guard, Removal } from '../guard.ts'
import type { Model } from '../model.ts'
import { inSlices } from '../slices.ts'
import { auditTypes, noteEvent, type Touched } from './audit.ts'
import { seeded } from './seed.ts'

/**
 * Rows of the same second can be written after we have read: each poll looks back this far, milliseconds. What was had
 * already changes nothing.
 */
const overlap = 5_000
/** More missing resources than this are not asked for one by one. */
const mostConfirmed = 5_000

/** Reads Cloud Controller into the model: everything, or what has changed since. */
export class CloudReader {
  readonly #cc: CloudController
  readonly #model: Model
  readonly #guard: Guard
  /** Newest time Cloud Controller has shown us, milliseconds since 1970 by its clock, and when by our monotonic one. */
  #shown = { time: 0, at: 0 }
  /** When, by Cloud Controller's clock, the last read began that found all changes before it. */
  #since: number | undefined
  /** Audit events that were followed already, with their times. */
  readonly #followed = new Map<string, number>()

  constructor({ cc, model, guard }: { cc: CloudController; model: Model; guard: Guard }) {
    this.#cc = cc
    this.#model = model
    this.#guard = guard
  }

  /** Reads everything. What is gone is removed, unless that is too much to believe. */
  async readAll(signal: AbortSignal): Promise<void> {
    const { cloud, clock } = this.#model
    const [newest] = await this.#cc.firstPage('/v3/audit_events', CC.AuditEvent, { order_by: '-created_at', per_page: '1' }, signal)
    const begun = clock.tick()
    const organizations = await this.#cc.list('/v3/organizations', CC.Organization, {}, signal)
    const spaces = await this.#cc.list('/v3/spaces', CC.Space, {}, signal)
    const domains = await this.#cc.list('/v3/domains', CC.Domain, {}, signal)
    const apps = await this.#cc.list('/v3/apps', CC.App, {}, signal)
    const processes = await this.#cc.list('/v3/processes', CC.Process, {}, signal)
    const routesBegun = clock.tick()
    const routes = await this.#cc.list('/v3/routes', CC.Route, {}, signal)
    // Pages move while they are read: what seems to be missing is asked for by guid.
    organizations.push(
      ...(await this.#confirm('/v3/organizations', CC.Organization, missing(cloud.organizations.keys(), organizations), signal)),
    )
    spaces.push(...(await this.#confirm('/v3/spaces', CC.Space, missing(cloud.spaces.keys(), spaces), signal)))
    apps.push(...(await this.#confirm('/v3/apps', CC.App, missing(cloud.apps.keys(), apps), signal)))
    routes.push(...(await this.#confirm('/v3/routes', CC.Route, missing(cloud.routes.keys(), routes), signal)))

    for (const organization of organizations) cloud.setOrganization(organization)
    for (const space of spaces) cloud.setSpace(space)
    for (const domain of domains) cloud.setDomain(domain)
    await inSlices(apps, (app) => cloud.setApp(app))
    await inSlices(processes, (process) => cloud.setProcess(process))
    const emptied = routes.filter(({ guid, destinations }) => !destinations.length && cloud.routes.get(guid)?.mappings.length)
    const held = new Set(emptied)
    await this.#learnDomains(routes, signal)
    await inSlices(routes, (route) => held.has(route) || cloud.setRoute(route, routesBegun))
    this.#guard.submit(this.#removal({ apps, routes, emptied, spaces, organizations }, routesBegun))
    cloud.completeRoutes(routesBegun)
    await inSlices([...this.#model.unknownToCloud()], (name) => this.#model.refreshRoute(name))

    this.#since ??= newest ? Date.parse(newest.created_at) : 0
    this.#model.diego.forgetGone(begun)
  }

  /** Reads what has changed since the last time, and what audit events tell of. */
  async readChanges(signal: AbortSignal): Promise<void> {
    const { cloud, clock, diego } = this.#model
    const started = performance.now()
    const since = new Date(Math.max(0, (this.#since ?? 0) - overlap)).toISOString().replace(/\.\d+Z$/, 'Z')
    const updated: ListFilter = { 'updated_ats[gte]': since }
    const begun = clock.tick()
    const [events, organizations, spaces, domains, apps, processes, routes] = await Promise.all([
      this.#cc.list('/v3/audit_events', CC.AuditEvent, { types: auditTypes.join(','), 'created_ats[gte]': since }, signal),
      this.#cc.list('/v3/organizations', CC.Organization, updated, signal),
      this.#cc.list('/v3/spaces', CC.Space, updated, signal),
      this.#cc.list('/v3/domains', CC.Domain, updated, signal),
      this.#cc.list('/v3/apps', CC.App, updated, signal),
      this.#cc.list('/v3/processes', CC.Process, updated, signal),
      this.#cc.list('/v3/routes', CC.Route, updated, signal),
    ])
    for (const organization of organizations) cloud.setOrganization(organization)
    for (const space of spaces) cloud.setSpace(space)
    for (const domain of domains) cloud.setDomain(domain)
    for (const app of apps) cloud.setApp(app)
    for (const process of processes) cloud.setProcess(process)
    await this.#learnDomains(routes, signal)
    await inSlices(routes, (route) => cloud.setRoute(route, begun))

    const news = events.filter(({ guid }) => !this.#followed.has(guid))
    await this.#readTouched(this.#touchedBy(news), signal)
    for (const { guid, created_at } of news) this.#followed.set(guid, Date.parse(created_at))
    this.#advance(started, [
      ...events.map(({ created_at }) => created_at),
      ...[organizations, spaces, domains, apps, processes, routes].flatMap((list) => list.map(({ updated_at }) => updated_at)),
    ])
    diego.forgetGone(begun)
  }

  #touchedBy(events: CC.AuditEvent[]): Touched {
    const touched: Touched = { routes: new Set(), apps: new Set(), spaces: new Set(), organizations: new Set() }
    for (const event of events) noteEvent(event, touched)
    const { cloud } = this.#model
    for (const app of touched.apps) for (const name of cloud.routesOf(app)) touched.routes.add(cloud.route(name)!.guid)
    for (const [guid, { organization }] of touched.organizations.size ? cloud.spaces : [])
      if (touched.organizations.has(organization)) touched.spaces.add(guid)
    for (const { guid, space } of touched.spaces.size ? cloud.routes.values() : []) if (touched.spaces.has(space)) touched.routes.add(guid)
    return touched
  }

  async #readTouched(touched: Touched, signal: AbortSignal): Promise<void> {
    const { cloud, clock } = this.#model
    const again = async <Found extends { guid: string }>(
      guids: Set<string>,
      read: () => Promise<Found[]>,
      set: (found: Found) => void,
      remove: (guid: string) => void,
    ): Promise<void> => {
      if (!guids.size) return
      const found = await read()
      for (const one of found) set(one)
      for (const guid of missing(guids, found)) remove(guid)
    }
    const begun = clock.tick()
    await again(
      touched.organizations,
      () => this.#cc.listGuids('/v3/organizations', CC.Organization, touched.organizations, signal),
      (found) => cloud.setOrganization(found),
      (guid) => cloud.removeOrganization(guid),
    )
    await again(
      touched.spaces,
      () => this.#cc.listGuids('/v3/spaces', CC.Space, touched.spaces, signal),
      (found) => cloud.setSpace(found),
      (guid) => cloud.removeSpace(guid),
    )
    await again(
      touched.apps,
      () => this.#cc.listGuids('/v3/apps', CC.App, touched.apps, signal),
      (found) => cloud.setApp(found),
      (guid) => cloud.removeApp(guid),
    )
    const routes = await this.#cc.listGuids('/v3/routes', CC.Route, touched.routes, signal)
    await this.#learnDomains(routes, signal)
    await inSlices(routes, (route) => cloud.setRoute(route, begun))
    await inSlices(missing(touched.routes, routes), (guid) => cloud.removeRoute(guid, begun))
  }

  /** A route's domain tells whether it is internal, so it must be known before the route is. */
  async #learnDomains(routes: CC.Route[], signal: AbortSignal): Promise<void> {
    const { cloud } = this.#model
    const unknown = new Set(routes.map(({ relationships }) => relationships.domain.data.guid).filter((guid) => !cloud.domains.has(guid)))
    for (const domain of await this.#cc.listGuids('/v3/domains', CC.Domain, unknown, signal)) cloud.setDomain(domain)
  }

  async #confirm<Schema extends TSchema>(path: string, schema: Schema, guids: string[], signal: AbortSignal) {
    const known = guids.filter((guid) => !seeded(guid))
    return known.length > mostConfirmed ? [] : this.#cc.listGuids(path, schema, known, signal)
  }

  #removal(
    {
      apps,
      routes,
      emptied,
      spaces,
      organizations,
    }: Record<'apps' | 'spaces' | 'organizations', { guid: string }[]> & Record<'routes' | 'emptied', CC.Route[]>,
    begun: number,
  ): Removal {
    const model = this.#model
    const { cloud } = model
    const gone = {
      apps: missing(cloud.apps.keys(), apps),
      routes: missing(cloud.routes.keys(), routes),
      spaces: missing(cloud.spaces.keys(), spaces),
      organizations: missing(cloud.organizations.keys(), organizations),
    }
    const going = [...gone.routes, ...emptied.map(({ guid }) => guid)].flatMap((guid) => {
      const route = cloud.routes.get(guid)
      if (!route?.mappings.length) return []
      const name = route.host + route.path
      return cloud.route(name) === route && model.isServedRoute(name) ? [name] : []
    })
    return {
      source: 'cloud-controller',
      has: model.tally,
      removes: { routes: going.length, instances: 0, apps: gone.apps.length },
      disputed: () => ({
        routes: going.filter((name) => model.isListed(name)).length,
        instances: 0,
        apps: gone.apps.filter((guid) => model.isRun(guid)).length,
      }),
      apply: () => {
        for (const guid of gone.organizations) cloud.removeOrganization(guid)
        for (const guid of gone.spaces) cloud.removeSpace(guid)
        for (const guid of gone.apps) cloud.removeApp(guid)
        for (const guid of gone.routes) cloud.removeRoute(guid, begun)
        for (const route of emptied) cloud.setRoute(route, begun)
      },
    }
  }

  /**
   * Moves on to when this read started, which is reckoned from the newest time that Cloud Controller has shown: it is
   * never later than the truth, so that nothing falls between two reads.
   */
  #advance(started: number, times: (string | null | undefined)[]): void {
    const now = performance.now()
    for (const time of times) {
      const value = Date.parse(time ?? '')
      if (value > this.#shown.time) this.#shown = { time: value, at: now }
    }
    if (this.#shown.time) this.#since = Math.max(this.#since ?? 0, this.#shown.time + started - this.#shown.at)
    for (const [guid, time] of this.#followed) if (time < (this.#since ?? 0) - 2 * overlap) this.#followed.delete(guid)
  }
}

function missing(known: Iterable<string>, found: { guid: string }[]): string[] {
  const guids = new Set(found.map(({ guid }) => guid))
  return [...known].filter((guid) => !guids.has(guid))
}
