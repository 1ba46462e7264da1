import type { Held } from '../../common/xds/protocol.ts'
import { typeUrls, type Refusal, type Resource } from '../../common/xds/resources.ts'
import type { Exposure } from '../../mesh/records.ts'
import { virtualHostsIn } from '../translate/route-configuration.ts'
import type { RuleTranslator } from '../translate/rules/translator.ts'

type VirtualHosts = ReadonlyMap<string, Uint8Array>

/** What one router has of one route configuration while virtual hosts of it are refused. */
interface Isolated {
  router: string
  name: string
  /** The virtual hosts that the router has taken. */
  good: Map<string, Uint8Array>
  /** Those that it refuses. */
  bad: Map<string, { bytes: Uint8Array; reason: string }>
  /** Hosts to be tried together. */
  queue: string[][]
  trial?: { version: string; hosts: Map<string, Uint8Array> } | undefined
  /** What it is to have in place of everybody's. */
  resource?: Resource
}

export interface IsolationOptions {
  rules: Pick<RuleTranslator, 'virtualHosts' | 'configurationOf'>
  /** Gives routers anew what depends on them. */
  refresh: () => void
}

/** Compositions of a route configuration that are remembered until routers have answered. */
const remembered = 16

/**
 * Keeps one host's rules that a router refuses from holding up those of all others in its route configuration: the virtual hosts that are
 * other than what the router took last are tried in halves, and the culprit stays as the router had it, or is left out where it never had
 * it. Of what a router had before this pilot knew it the router tells with its first refusal. Of one that does not tell, the last good
 * configuration stays as a whole, since a trial would take rules from it.
 */
export class RouteIsolation {
  readonly #options: IsolationOptions
  /** By configuration, then version. */
  readonly #compositions = new Map<string, Map<string, VirtualHosts>>()
  /** By router and configuration. */
  readonly #taken = new Map<string, VirtualHosts>()
  readonly #isolated = new Map<string, Isolated>()

  constructor(options: IsolationOptions) {
    this.#options = options
  }

  /** What `router` is to have in place of everybody's. */
  resourcesFor(router: string): Resource[] {
    return [...this.#isolated.values()].flatMap((one) => (one.router === router && one.resource ? [one.resource] : []))
  }

  /** The hosts whose rules routers refuse, as keys of rule hosts. */
  refusals(): { router: string; exposure: Exposure; host: string; reason: string }[] {
    return [...this.#isolated.values()].flatMap(({ router, name, bad }) =>
      [...bad].map(([host, { reason }]) => ({ router, exposure: name.slice(0, 3) as Exposure, host, reason })),
    )
  }

  /** Whether it is known what of a configuration `router` refuses, or being found out. */
  has(router: string, name: string): boolean {
    return this.#isolated.has(`${router} ${name}`)
  }

  /** Told of resources that are new in the cache. */
  published(resources: Resource[]): void {
    const { rules } = this.#options
    const changed = new Set<string>()
    for (const { typeUrl, name, version } of resources) {
      if (typeUrl !== typeUrls.route) continue
      const known = this.#compositions.get(name) ?? new Map<string, VirtualHosts>()
      this.#compositions.set(name, known)
      if (known.has(version)) continue
      changed.add(name)
      known.set(version, new Map(rules.virtualHosts(name)))
      const [oldest] = known.keys()
      if (known.size > remembered) known.delete(oldest!)
    }
    const concerned = [...this.#isolated.values()].filter(({ name }) => changed.has(name))
    for (const one of concerned) {
      // What is on trial is made anew at once: until it is sent, nothing that the router uses may be taken away.
      if (one.trial) one.queue.unshift([...one.trial.hosts.keys()])
      this.#next(one)
    }
    if (concerned.length) this.#options.refresh()
  }

  /** Told what a router has taken. */
  acknowledged(router: string, resources: Resource[]): void {
    for (const { typeUrl, name, version } of resources) {
      if (typeUrl !== typeUrls.route) continue
      const one = this.#isolated.get(`${router} ${name}`)
      const composition = this.#compositions.get(name)?.get(version)
      if (!one && composition) this.#taken.set(`${router} ${name}`, composition)
      if (one?.trial?.version !== version) continue
      for (const [host, bytes] of one.trial.hosts) one.good.set(host, bytes)
      one.trial = undefined
      this.#next(one)
      this.#options.refresh()
    }
  }

  /** Told what a router refuses, and what it says that it goes on with. */
  refused(router: string, refusals: Refusal[], held: Held = new Map()): void {
    for (const { typeUrl, name, version, reason } of refusals) {
      if (typeUrl !== typeUrls.route) continue
      const told = held.get(name)
      if (told) this.#believe(router, name, virtualHostsIn(told))
      const one = this.#isolated.get(`${router} ${name}`) ?? this.#isolate(router, name, version)
      if (one?.trial?.version !== version) continue
      const { hosts } = one.trial
      one.trial = undefined
      const [first] = hosts
      if (hosts.size === 1 && first) one.bad.set(first[0], { bytes: first[1], reason })
      else one.queue.unshift(...halves([...hosts.keys()]))
      this.#next(one)
      this.#options.refresh()
    }
  }

  /** Goes by what a router says that it has. */
  #believe(router: string, name: string, hosts: VirtualHosts): void {
    this.#taken.set(`${router} ${name}`, hosts)
    const one = this.#isolated.get(`${router} ${name}`)
    if (one) one.good = new Map(hosts)
  }

  /**
   * Begins with what was refused as the first trial, or with all that is wanted by now; undefined where it is not known what the router
   * took last.
   */
  #isolate(router: string, name: string, version: string): Isolated | undefined {
    const taken = this.#taken.get(`${router} ${name}`)
    const refused = this.#compositions.get(name)?.get(version)
    if (!taken) return undefined
    const hosts = refused && new Map([...refused].filter(([host, bytes]) => !isSame(taken.get(host), bytes)))
    if (hosts?.size === 0) return undefined
    const one: Isolated = { router, name, good: new Map(taken), bad: new Map(), queue: [], trial: hosts && { version, hosts } }
    this.#isolated.set(`${router} ${name}`, one)
    if (!hosts) {
      this.#next(one)
      this.#options.refresh()
    }
    return one
  }

  /** Makes what the router is to get now: all that it takes, and the next hosts to be tried. */
  #next(one: Isolated): void {
    const { rules } = this.#options
    const wanted = rules.virtualHosts(one.name)
    for (const host of one.good.keys()) if (!wanted.has(host)) one.good.delete(host)
    for (const [host, { bytes }] of one.bad) if (!isSame(wanted.get(host), bytes)) one.bad.delete(host)
    const isOpen = (host: string): boolean => wanted.has(host) && !one.bad.has(host) && !isSame(one.good.get(host), wanted.get(host))
    const queued = new Set(one.queue.flat())
    const fresh = [...wanted.keys()].filter((host) => !queued.has(host) && isOpen(host))
    one.queue = [...one.queue.map((hosts) => hosts.filter(isOpen)), fresh].filter((hosts) => hosts.length)
    const group = one.queue.shift()
    if (!group && !one.bad.size) {
      this.#taken.set(`${one.router} ${one.name}`, new Map(one.good))
      this.#isolated.delete(`${one.router} ${one.name}`)
      return
    }
    const hosts = new Map((group ?? []).map((host) => [host, wanted.get(host)!]))
    one.resource = rules.configurationOf(one.name, new Map([...one.good, ...hosts]))
    one.trial = group && { version: one.resource.version, hosts }
  }
}

const isSame = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && Buffer.compare(a, b) === 0)

function halves(hosts: string[]): string[][] {
  const middle = Math.ceil(hosts.length / 2)
  return [hosts.slice(0, middle), hosts.slice(middle)]
}
