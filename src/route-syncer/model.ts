import { isDeepStrictEqual } from 'node:util'
import { Multimap } from '../common/multimap.ts'
import type { Conflict } from '../mesh/conflict.ts'
import { Clock } from './clock.ts'
import { CloudState } from './cloud/state.ts'
import type { Published } from './copilot/published.ts'
import type { Tally } from './guard.ts'
import type { PreferredAddress } from './diego/actual.ts'
import type { Listing } from './diego/desired.ts'
import { DiegoState, type KnownProcess } from './diego/state.ts'
import { decideDestinations, type ProcessWord } from './serving/destinations.ts'
import type { Domains, Placement } from './serving/domains.ts'
import { Hosts, type Merged } from './serving/hosts.ts'

/** Keys of a route's options that only Diego has. */
const diegoOptions = /^route_policy_/

/**
 * Both sources and the records that follow from them. Every piece of news recomputes what it touches and nothing else:
 * a process its routes and instances, a route of Cloud Controller itself.
 */
export class Model {
  readonly clock = new Clock()
  readonly cloud: CloudState
  readonly diego: DiegoState
  readonly #published: Published
  readonly #domains: Domains
  readonly #hosts: Hosts
  /** Guids of processes by the routes they list, and by their app. */
  readonly #listedBy = new Multimap()
  readonly #processesOf = new Multimap()
  /** Guids of processes whose names stand in for a space or organization that Cloud Controller has not told of. */
  readonly #namedBy = new Multimap()
  readonly #placed = new Map<string, { placement: Placement; path: string }>()

  constructor({ domains, preferredAddress, published }: { domains: Domains; preferredAddress: PreferredAddress; published: Published }) {
    this.#domains = domains
    this.#published = published
    this.#hosts = new Hosts((key, route) => published.set('route', key, route))
    this.cloud = new CloudState({
      route: (name) => this.refreshRoute(name),
      app: (guid) => this.#refreshApp(guid),
      space: (guid) => this.#refreshSpace(guid),
      organization: (guid) => this.#refreshOrganization(guid),
    })
    this.diego = new DiegoState(preferredAddress, {
      process: (before, after) => this.#processChanged(before, after),
      instance: (guid) => this.#refreshInstance(guid),
    })
  }

  get conflicts(): Conflict[] {
    return this.#hosts.conflicts
  }

  /** Names of the routes that only Diego knows. */
  *unknownToCloud(): Generator<string> {
    for (const name of this.#listedBy.keys()) if (!this.cloud.route(name)) yield name
  }

  /** What copilot has now. */
  get tally(): Tally {
    return { routes: this.#published.count('route'), instances: this.#published.count('instance'), apps: this.#published.count('app') }
  }

  isServedRoute(name: string): boolean {
    return this.#placed.has(name)
  }

  isServed(instance: string): boolean {
    return this.#published.get('instance', instance) !== undefined
  }

  /** Whether another instance, none of `going`, runs in the same place of the same app. */
  isReplaced(guid: string, going: Set<string>): boolean {
    const instance = this.diego.instance(guid)
    const process = instance && this.diego.word(instance.process)
    if (!process) return false
    for (const other of this.#processesOf.get(process.app)) {
      if (this.diego.process(other)?.type !== process.type) continue
      for (const candidate of this.diego.instancesOf(other)) {
        if (candidate !== guid && !going.has(candidate) && this.diego.instance(candidate)?.index === instance.index) return true
      }
    }
    return false
  }

  /** Whether a process of the app is wanted. */
  isRun(app: string): boolean {
    return this.#namer(this.#processesOf, app) !== undefined
  }

  /** Whether a wanted process lists the route. */
  isListed(name: string): boolean {
    return [...this.#listedBy.get(name)].some((guid) => this.diego.process(guid))
  }

  /** Whether Cloud Controller wants this instance of a process to run. */
  isWanted(process: string, index: number): boolean {
    const known = this.diego.word(process)
    return known !== undefined && this.cloud.apps.get(known.app)?.started === true && index < this.cloud.wanted(known.app, known.type)
  }

  refreshRoute(name: string): void {
    const known = this.cloud.route(name)
    const lists = this.#listingsOf(name)
    const sample = known ?? lists[0]?.listing
    const before = this.#placed.get(name)
    const internal = (known && this.cloud.domains.get(known.domain)) ?? lists.some(({ listing }) => listing.internal)
    const placement = sample && this.#domains.place(sample.host, internal)
    const merged = sample && placement && this.#merge(name, sample, lists)

    if (before && (!merged || before.placement.exposure !== placement?.exposure)) {
      this.#hosts.set(before.placement, before.path, undefined)
      this.#placed.delete(name)
    }
    if (!merged) return
    this.#hosts.set(placement, sample.path, merged)
    this.#placed.set(name, { placement, path: sample.path })
  }

  /** Undefined for a route without destinations, or whose space is not known yet. */
  #merge(
    name: string,
    { host, path }: { host: string; path: string },
    lists: { process: KnownProcess; listing: Listing }[],
  ): Merged | undefined {
    const known = this.cloud.route(name)
    const word = this.cloud.word(name)
    const processes = new Map(lists.map(({ process }) => [process.process, process]))
    for (const { app, type } of word.mappings) {
      for (const guid of this.#processesOf.get(app)) {
        const process = this.diego.word(guid)
        if (process?.type === type) processes.set(guid, process)
      }
    }
    const words = [...processes.values()].map((process): ProcessWord => {
      const mappings = process.listings.filter((listing) => listing.host + listing.path === name).map(({ mapping }) => mapping)
      return {
        process: process.process,
        app: process.app,
        type: process.type,
        at: process.at,
        gone: process.goneAt !== undefined,
        mappings,
      }
    })
    const destinations = decideDestinations(word, words)
    const newest = lists.reduce<(typeof lists)[number] | undefined>(
      (best, list) => (best && best.process.at >= list.process.at ? best : list),
      undefined,
    )
    const listed = newest?.listing.options ?? {}
    const options =
      known && known.at >= (newest?.process.at ?? 0)
        ? { ...known.options, ...Object.fromEntries(Object.entries(listed).filter(([key]) => diegoOptions.test(key))) }
        : listed
    const space = known?.space ?? newest?.process.names.space
    if (!destinations.length || !space) return undefined
    return {
      host,
      path,
      space,
      created: known?.created ?? Number.POSITIVE_INFINITY,
      guid: known?.guid,
      labels: known?.labels ?? {},
      options,
      destinations,
      unserved: lists.some(({ listing }) => listing.routeService)
        ? 'it is bound to a route service, which the mesh would bypass'
        : undefined,
    }
  }

  #listingsOf(name: string): { process: KnownProcess; listing: Listing }[] {
    return [...this.#listedBy.get(name)].flatMap((guid) => {
      const process = this.diego.word(guid)
      return process?.listings.filter(({ host, path }) => host + path === name).map((listing) => ({ process, listing })) ?? []
    })
  }

  #processChanged(before: KnownProcess | undefined, after: KnownProcess | undefined): void {
    const { process: guid, app } = (after ?? before)!
    if (before && before.app !== app) this.#processesOf.delete(before.app, guid)
    if (after) this.#processesOf.add(app, guid)
    else this.#processesOf.delete(app, guid)

    const names = (process: KnownProcess | undefined): Set<string> => new Set(process?.listings.map(({ host, path }) => host + path))
    const [then, now] = [names(before), names(after)]
    for (const name of then) if (!now.has(name)) this.#listedBy.delete(name, guid)
    for (const name of now) this.#listedBy.add(name, guid)
    for (const name of new Set([...then, ...now, ...this.cloud.routesOf(app)])) this.refreshRoute(name)

    const wanted = after && after.goneAt === undefined
    this.#published.set('process', guid, wanted ? { app, type: after.type, instances: after.instances } : null)
    this.#renamed(guid, before, wanted ? after : undefined)
  }

  #renamed(guid: string, before: KnownProcess | undefined, after: KnownProcess | undefined): void {
    if (before && after && before.goneAt === undefined && isDeepStrictEqual(before.names, after.names)) return
    if (before) for (const named of [before.names.space, before.names.organization]) this.#namedBy.delete(named, guid)
    if (after) for (const named of [after.names.space, after.names.organization]) this.#namedBy.add(named, guid)
    for (const process of [before, after]) {
      if (!process) continue
      this.#refreshApp(process.app)
      this.#refreshSpace(process.names.space)
      this.#refreshOrganization(process.names.organization)
    }
  }

  /** A wanted process that stands in for what Cloud Controller has not told. */
  #namer(index: Multimap, key: string): KnownProcess | undefined {
    for (const guid of index.get(key)) {
      const process = this.diego.process(guid)
      if (process) return process
    }
    return undefined
  }

  #refreshApp(guid: string): void {
    const known = this.cloud.apps.get(guid)
    const names = this.#namer(this.#processesOf, guid)?.names
    if (known)
      this.#published.set('app', guid, { name: known.name, space: known.space, labels: known.labels, annotations: known.annotations })
    else
      this.#published.set(
        'app',
        guid,
        names?.app && names.space ? { name: names.app, space: names.space, labels: {}, annotations: {} } : null,
      )
  }

  #refreshSpace(guid: string): void {
    if (!guid) return
    const names = this.#namer(this.#namedBy, guid)?.names
    this.#published.set(
      'space',
      guid,
      this.cloud.spaces.get(guid) ??
        (names?.spaceName && names.organization ? { name: names.spaceName, organization: names.organization } : null),
    )
  }

  #refreshOrganization(guid: string): void {
    if (!guid) return
    const names = this.#namer(this.#namedBy, guid)?.names
    this.#published.set(
      'organization',
      guid,
      this.cloud.organizations.get(guid) ?? (names?.organizationName ? { name: names.organizationName } : null),
    )
  }

  #refreshInstance(guid: string): void {
    const instance = this.diego.instance(guid)
    const process = instance && this.diego.process(instance.process)
    this.#published.set('instance', guid, process && instance.index < process.instances ? instance : null)
  }
}
