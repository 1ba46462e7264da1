import type { RequestListener } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { create, toBinary } from '@bufbuild/protobuf'
import { LuaPerRouteSchema } from '../../common/proto/gen/envoy/extensions/filters/http/lua/v3/lua_pb.js'
import { HttpConnectionManagerSchema } from '../../common/proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js'
import { RouteConfigurationSchema } from '../../common/proto/gen/envoy/config/route/v3/route_pb.js'
import type { ResourceCache } from '../../common/xds/cache.ts'
import { loading as contract } from '../../common/xds/loading.ts'
import { pack, typeUrls, type Refusal, type Resource, type ResourceUpdate } from '../../common/xds/resources.ts'
import { normalizeHost } from '../../mesh/host.ts'
import { wildcards } from '../../mesh/matching.ts'

/** Hosts that Envoy is given at a time: it takes some 30 ms, which is what one waits that is asked for. */
const step = 100

/** Milliseconds after which, while requests ask, hosts are given that none has asked for. */
const pause = 20

/** Milliseconds after which the next hosts are given although Envoy has not said that it took the last. */
const patience = 5_000

export interface LoadingOptions {
  /** What Envoy is given. */
  cache: ResourceCache
  /** Hosts up to which Envoy gets all before its listeners. */
  atOnce: number
  /** Puts an update into the cache and resolves once Envoy has answered. */
  give: (update: ResourceUpdate) => Promise<void>
}

/** What is being given. */
interface Given {
  hosts: ReadonlySet<string>
  /** The endpoints that Envoy has not taken yet. */
  endpoints: Set<string>
  taken: PromiseWithResolvers<void>
}

/**
 * Lets an Envoy that begins with nothing serve before it has everything. A platform cluster is 200 to 300 µs of Envoy's main thread, half a
 * minute for 100,000. So its listeners do not wait for these: they are given a hundred hosts at a time, those first that a request has
 * asked for, which waits for as long (src/pilot/translate/loading.ts). Nothing but the host of a request leads to a platform cluster;
 * those of rules are given at once.
 */
export class Loading {
  readonly #options: LoadingOptions
  /** What is still to be given, by host, each resource by its type and name. */
  readonly #waiting = new Map<string, Map<string, Resource>>()
  /** Hosts among them that requests wait for. */
  readonly #asked = new Set<string>()
  #given: Given = nothing()
  /** Ends when a request asks for one. */
  #asking = Promise.withResolvers<void>()
  /** Ends when Envoy has what is being given. */
  #turn = Promise.withResolvers<void>()
  #phase: 'gathering' | 'loading' | 'loaded' = 'gathering'
  #stopped = false

  constructor(options: LoadingOptions) {
    this.#options = options
  }

  /** How many hosts Envoy is still to be given while it serves. */
  get left(): number {
    return this.#phase === 'loading' ? this.#waiting.size + this.#given.hosts.size : 0
  }

  /** Keeps of an update what Envoy is to get later, and returns what it is to get now. */
  divide({ changed, removed }: ResourceUpdate): ResourceUpdate {
    if (this.#phase === 'loaded') return { changed, removed }
    for (const resource of removed) this.#forget(resource)
    this.answered(removed.map(({ name }) => name))
    let now = changed.filter((resource) => !this.#keep(resource))
    const listeners = now.filter(({ typeUrl }) => typeUrl === typeUrls.listener)
    if (this.#phase === 'gathering' && listeners.length) now = [...this.#begin(listeners), ...now]
    return { changed: this.#phase === 'loading' ? now.map(asking) : now, removed }
  }

  /** Resolves once Envoy has all that `host` can lead to. */
  async bring(host: string): Promise<void> {
    const hosts = [host, ...wildcards(host)]
    for (const one of hosts) if (this.#waiting.has(one)) this.#asked.add(one)
    if (this.#asked.size) this.#asking.resolve()
    while (!this.#stopped && hosts.some((one) => this.#waiting.has(one) || this.#given.hosts.has(one))) await this.#turn.promise
  }

  /** Notes what Envoy need not be waited for any more, by name: endpoints that it has taken, what it refused, and what is removed. */
  answered(names: string[]): void {
    const { endpoints, taken } = this.#given
    for (const name of names) endpoints.delete(name)
    if (!endpoints.size) taken.resolve()
  }

  /** Begins anew for an Envoy that has nothing. What is `onTrial` stays in the cache, since it may have to be taken back. */
  restart(onTrial: (resource: Resource) => boolean): void {
    if (this.#phase === 'gathering') return
    const { cache } = this.#options
    const all = (typeUrl: string): Resource[] => [...cache.all(typeUrl).values()]
    const platform = [...all(typeUrls.cluster), ...all(typeUrls.endpoint)].filter((resource) => hostOf(resource) && !onTrial(resource))
    for (const resource of platform) this.#put(hostOf(resource)!, resource)
    const changed = this.#phase === 'loaded' ? this.#begin(all(typeUrls.listener)) : []
    if (this.#phase === 'loading') cache.apply({ changed: changed.map(asking), removed: platform })
    this.answered([...this.#given.endpoints])
  }

  stop(): void {
    this.#stopped = true
    this.answered([...this.#given.endpoints])
    this.#turn.resolve()
  }

  /** Whether a resource waits now. */
  #keep(resource: Resource): boolean {
    const host = hostOf(resource)
    if (host === undefined || (this.#phase === 'loading' && !this.#waiting.has(host))) return false
    this.#put(host, resource)
    return true
  }

  #put(host: string, resource: Resource): void {
    let resources = this.#waiting.get(host)
    if (!resources) this.#waiting.set(host, (resources = new Map()))
    resources.set(key(resource), resource)
  }

  #forget(removed: Pick<Resource, 'typeUrl' | 'name'>): void {
    const host = hostOf(removed)
    const resources = host === undefined ? undefined : this.#waiting.get(host)
    if (resources?.delete(key(removed)) && !resources.size) this.#waiting.delete(host!)
  }

  /** Lets listeners open: returns what Envoy is to get with them. */
  #begin(listeners: Resource[]): Resource[] {
    const { cache, atOnce } = this.#options
    if (listeners.every(asks) && this.#waiting.size > atOnce) {
      this.#phase = 'loading'
      setImmediate(() => void this.#load())
      return [...cache.all(typeUrls.route).values()]
    }
    this.#phase = 'loaded'
    return this.#take([...this.#waiting.keys()])
  }

  async #load(): Promise<void> {
    while (this.#waiting.size && !this.#stopped) {
      const asked = this.#asked.size > 0
      await this.#giveNext(asked ? this.#asked.keys() : this.#waiting.keys())
      this.#asking = Promise.withResolvers()
      if (asked && !this.#asked.size) await Promise.race([this.#asking.promise, delay(pause)])
    }
    if (this.#stopped) return
    this.#phase = 'loaded'
    await this.#options.give({ changed: [...this.#options.cache.all(typeUrls.route).values()].map(plain), removed: [] })
  }

  async #giveNext(hosts: IteratorObject<string>): Promise<void> {
    const next = hosts.take(step).toArray()
    const resources = this.#take(next)
    const endpoints = new Set(resources.filter(({ typeUrl }) => typeUrl === typeUrls.endpoint).map(({ name }) => name))
    this.#given = { ...nothing(), hosts: new Set(next), endpoints }
    await this.#options.give({ changed: resources, removed: [] })
    if (endpoints.size) await Promise.race([this.#given.taken.promise, delay(patience, undefined, { ref: false })])
    this.#given = nothing()
    this.#turn.resolve()
    this.#turn = Promise.withResolvers()
  }

  #take(hosts: string[]): Resource[] {
    return hosts.flatMap((host) => {
      const resources = [...(this.#waiting.get(host)?.values() ?? [])]
      this.#waiting.delete(host)
      this.#asked.delete(host)
      return resources
    })
  }
}

const nothing = (): Given => ({ hosts: new Set(), endpoints: new Set(), taken: Promise.withResolvers<void>() })

/** Answers Envoy once it has the clusters of the host that it asks for. */
export const hosts =
  (loading: Loading): RequestListener =>
  ({ headers }, response) =>
    void loading.bring(normalizeHost(String(headers[contract.host] ?? ''))).then(() => response.end())

/** The refusals as they are of what was to be given: without our mark. */
export const unmarked = (refusals: Refusal[]): Refusal[] =>
  refusals.map((refusal) => ({ ...refusal, version: refusal.version.replace(mark, '') }))

/** The host whose requests alone lead to a cluster; undefined where those of others do too. */
function hostOf({ typeUrl, name }: Pick<Resource, 'typeUrl' | 'name'>): string | undefined {
  if (typeUrl !== typeUrls.cluster && typeUrl !== typeUrls.endpoint) return undefined
  const [exposure, host] = name.split('/', 2)
  return exposure === 'pub' || exposure === 'int' ? host : undefined
}

const key = ({ typeUrl, name }: Pick<Resource, 'typeUrl' | 'name'>): string => `${typeUrl} ${name}`

/** Whether a listener can ask for hosts: one that an older pilot made, or that is kept on disk from it, cannot. */
function asks({ any }: Resource): boolean {
  const bytes = Buffer.from(any.value)
  return bytes.includes(contract.filter) || !bytes.includes(HttpConnectionManagerSchema.typeName)
}

/** Of a route configuration's version, while it has the filter on. */
const mark = '+asking'

/** Fields that follow a message are a part of it. */
const filterOn = toBinary(
  RouteConfigurationSchema,
  create(RouteConfigurationSchema, {
    typedPerFilterConfig: {
      [contract.filter]: pack(LuaPerRouteSchema, create(LuaPerRouteSchema, { override: { case: 'name', value: contract.code } })),
    },
  }),
)

/** A route configuration with the filter on that asks for hosts; all else as it is. */
function asking(resource: Resource): Resource {
  const { typeUrl, version, any } = resource
  if (typeUrl !== typeUrls.route || version.endsWith(mark)) return resource
  return { ...resource, version: version + mark, any: { ...any, value: Buffer.concat([any.value, filterOn]) } }
}

/** The same without it. */
function plain(resource: Resource): Resource {
  const { version, any } = resource
  if (!version.endsWith(mark)) return resource
  return { ...resource, version: version.slice(0, -mark.length), any: { ...any, value: any.value.subarray(0, -filterOn.length) } }
}
