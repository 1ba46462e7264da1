import type * as CC from '../../platform/cloud-controller/resources.ts'
import type { App, Organization, RouteOptions, Space } from '../../mesh/records.ts'
import { Multimap } from '../../common/multimap.ts'
import { readAddress, type Address } from '../serving/address.ts'
import type { CloudWord, Mapping } from '../serving/destinations.ts'

/** A route as Cloud Controller has it, with or without destinations. */
export interface CloudRoute extends Address {
  guid: string
  space: string
  /** Guid of its domain. */
  domain: string
  /** Milliseconds since 1970. */
  created: number
  labels: Record<string, string>
  options: RouteOptions
  mappings: Mapping[]
  /** Tick at which the read that brought it began. */
  at: number
}

export interface CloudApp extends App {
  started: boolean
}

export interface CloudListener {
  /** Host and path of a route that is new, other, or gone. */
  route(name: string): void
  app(guid: string): void
  space(guid: string): void
  organization(guid: string): void
}

/** What Cloud Controller has told. Routes are found by `host/path` too, and by the apps they send to. */
export class CloudState {
  readonly organizations = new Map<string, Organization>()
  readonly spaces = new Map<string, Space>()
  readonly apps = new Map<string, CloudApp>()
  /** Guids of domains, and whether they are internal. */
  readonly domains = new Map<string, boolean>()
  /** Wanted instances by app and type of process. */
  readonly #wanted = new Map<string, Map<string, number>>()
  readonly #routes = new Map<string, CloudRoute>()
  readonly #byName = new Map<string, CloudRoute>()
  readonly #byApp = new Multimap()
  /** Ticks at which single routes were found deleted, since the last full read. */
  readonly #deleted = new Map<string, number>()
  readonly #listener: CloudListener
  #fullAt = 0

  constructor(listener: CloudListener) {
    this.#listener = listener
  }

  get routes(): ReadonlyMap<string, CloudRoute> {
    return this.#routes
  }

  /** What it says of a host and path. */
  route(name: string): CloudRoute | undefined {
    return this.#byName.get(name)
  }

  word(name: string): CloudWord {
    return this.#byName.get(name) ?? { at: Math.max(this.#fullAt, this.#deleted.get(name) ?? 0), mappings: [] }
  }

  /** Names of the routes that send to an app. */
  routesOf(app: string): Iterable<string> {
    return this.#byApp.get(app)
  }

  setOrganization({ guid, name, suspended = false }: CC.Organization): void {
    const known = this.organizations.get(guid)
    if (known?.name === name && (known.suspended ?? false) === suspended) return
    this.organizations.set(guid, { name, ...(suspended && { suspended }) })
    this.#listener.organization(guid)
  }

  setSpace({ guid, name, relationships }: CC.Space): void {
    const organization = relationships.organization.data.guid
    const known = this.spaces.get(guid)
    if (known?.name === name && known.organization === organization) return
    this.spaces.set(guid, { name, organization })
    this.#listener.space(guid)
  }

  setDomain({ guid, internal }: CC.Domain): void {
    this.domains.set(guid, internal ?? false)
  }

  setApp({ guid, name, state, metadata, relationships }: CC.App): void {
    this.apps.set(guid, {
      name,
      space: relationships.space.data.guid,
      labels: texts(metadata?.labels),
      annotations: texts(metadata?.annotations),
      started: state === 'STARTED',
    })
    this.#listener.app(guid)
  }

  setProcess({ type, instances, relationships }: CC.Process): void {
    this.setWanted(relationships.app.data.guid, type, instances)
  }

  setWanted(app: string, type: string, instances: number): void {
    const types = this.#wanted.get(app)
    if (types) types.set(type, instances)
    else this.#wanted.set(app, new Map([[type, instances]]))
  }

  /** How many instances of a process of an app are to run. */
  wanted(app: string, type: string): number {
    return this.#wanted.get(app)?.get(type) ?? 0
  }

  /** Takes in a route of a read that began at tick `at`. Routes that are not HTTP are not kept. */
  setRoute(route: CC.Route, at: number): void {
    const read = readRoute(route, at)
    if (read) this.putRoute(read)
  }

  putRoute(route: CloudRoute): void {
    const known = this.#routes.get(route.guid)
    if (known && known.at > route.at) return
    if (known) this.#forget(known)
    const name = route.host + route.path
    // One that was deleted, and made anew.
    const namesake = this.#byName.get(name)
    if (namesake) this.#forget(namesake)
    this.#routes.set(route.guid, route)
    this.#byName.set(name, route)
    this.#deleted.delete(name)
    for (const { app } of route.mappings) this.#byApp.add(app, name)
    this.#listener.route(name)
  }

  /** Takes in that a route was not there in a read that began at tick `at`. */
  removeRoute(guid: string, at: number): void {
    const known = this.#routes.get(guid)
    if (!known || known.at > at) return
    const name = known.host + known.path
    this.#routes.delete(guid)
    this.#forget(known)
    this.#deleted.set(name, at)
    this.#listener.route(name)
  }

  /** Takes in that every route there was when a read began at tick `at` is known now: what is not, does not exist. */
  completeRoutes(at: number): void {
    this.#fullAt = at
    for (const [name, deleted] of this.#deleted) if (deleted <= at) this.#deleted.delete(name)
  }

  removeApp(guid: string): void {
    this.#wanted.delete(guid)
    if (this.apps.delete(guid)) this.#listener.app(guid)
  }

  removeSpace(guid: string): void {
    if (this.spaces.delete(guid)) this.#listener.space(guid)
  }

  removeOrganization(guid: string): void {
    if (this.organizations.delete(guid)) this.#listener.organization(guid)
  }

  #forget(route: CloudRoute): void {
    const name = route.host + route.path
    if (this.#byName.get(name) !== route) return
    this.#byName.delete(name)
    for (const { app } of route.mappings) this.#byApp.delete(app, name)
  }
}

function readRoute(route: CC.Route, at: number): CloudRoute | undefined {
  const address = route.port || route.protocol === 'tcp' ? undefined : readAddress(route.url)
  if (!address) return undefined
  return {
    ...address,
    guid: route.guid,
    space: route.relationships.space.data.guid,
    domain: route.relationships.domain.data.guid,
    created: Date.parse(route.created_at ?? '') || 0,
    labels: texts(route.metadata?.labels),
    options: route.options ?? {},
    mappings: route.destinations.map(({ app, port, protocol, weight }) => ({
      app: app.guid,
      type: app.process?.type || 'web',
      ...(port && { port }),
      protocol: protocol === 'http2' ? 'http2' : 'http1',
      ...(weight && { weight }),
    })),
    at,
  }
}

function texts(values: Record<string, string | null> | undefined): Record<string, string> {
  return Object.fromEntries(Object.entries(values ?? {}).map(([name, value]) => [name, value ?? '']))
}
