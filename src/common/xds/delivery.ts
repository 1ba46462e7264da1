import type { Node } from '../proto/gen/envoy/config/core/v3/base_pb.js'
import { older, type Epoch } from './pending.ts'
import type { DeltaMessage, IncomingRequest } from './protocol.ts'
import { typeUrls, type Resource, type ResourceUpdate } from './resources.ts'
import { Subscription, type Flight, type StandingRefusal } from './subscription.ts'

const { secret, cluster, endpoint, listener, scope, route } = typeUrls

/**
 * Make before break: a type's changes wait until the client has taken what they refer to. What a warming cluster needs waits for nothing.
 */
const changesAfter: Record<string, string[]> = { [listener]: [cluster, endpoint], [route]: [cluster, endpoint, listener] }

/** And its removals, until the client no longer uses them. */
const removalsAfter: Record<string, string[]> = { [cluster]: [listener, route], [endpoint]: [cluster], [secret]: [cluster, listener] }

/** The types of which a client that names none means all. */
const impliesAll = new Set<string>([cluster, listener, scope])

const limits = {
  /** Resources in one message. */
  count: 1000,
  /** Bytes of one message, unless a single resource is larger. */
  bytes: 4 * 1024 * 1024,
  /** Messages of one type that may be unanswered. */
  flights: 3,
  /** The same, counting those that are overdue. */
  overdueFlights: 8,
  /** Milliseconds at a stretch for finding out what a new subscriber lacks. */
  backlog: 5,
}

export interface DeliveryTimes {
  /** Milliseconds after which an unanswered message no longer holds others back. */
  overdue: number
  /** Milliseconds at a stream's start in which nothing is removed, so that the client can name all its types first. */
  grace: number
}

/** What the stream of one client needs to know of the resources that everybody shares. */
export interface Shelf {
  get(typeUrl: string, name: string): Resource | undefined
  all(typeUrl: string): ReadonlyMap<string, Resource>
  /** The present. */
  epoch(): Epoch
}

/** One client's side of the delta protocol, without its transport: takes requests and changes, gives the messages to send. */
export class Delivery {
  readonly startedAt = performance.now()
  readonly #shared: Shelf
  readonly #times: DeliveryTimes
  #own = new Map<string, Map<string, Resource>>()
  #node: Node | undefined
  readonly #subscriptions = new Map<string, Subscription>()
  #nonce = 0

  constructor(shared: Shelf, times: DeliveryTimes) {
    this.#shared = shared
    this.#times = times
  }

  get node(): Node | undefined {
    return this.#node
  }

  get subscriptions(): ReadonlyMap<string, Subscription> {
    return this.#subscriptions
  }

  /** Names the client and gives it the resources that depend on it, in place of the last ones. */
  identify(node: Node, own: Resource[]): void {
    this.#node = node
    const before = this.#own
    this.#own = new Map()
    for (const resource of own) {
      const names = this.#own.get(resource.typeUrl) ?? new Map<string, Resource>()
      this.#own.set(resource.typeUrl, names.set(resource.name, resource))
    }
    const changed = own.filter(({ typeUrl, name, version }) => before.get(typeUrl)?.get(name)?.version !== version)
    const removed = [...before.values()]
      .flatMap((names) => [...names.values()])
      .filter(({ typeUrl, name }) => !this.#own.get(typeUrl)?.has(name))
    this.change({ changed, removed })
  }

  /** Notes what of an update this client is to get. */
  change({ changed, removed }: ResourceUpdate): void {
    for (const { typeUrl, name } of changed) this.#touch(this.#subscriptions.get(typeUrl), typeUrl, name)
    for (const { typeUrl, name } of removed) this.#touch(this.#subscriptions.get(typeUrl), typeUrl, name)
  }

  /** Takes a request. Returns the flight that it answers, if any, and the refusals that it brings. */
  receive(request: IncomingRequest): { flight?: Flight; refused: StandingRefusal[] } {
    const { typeUrl, responseNonce, errorDetail } = request
    let subscription = this.#subscriptions.get(typeUrl)
    const first = !subscription
    if (!subscription) this.#subscriptions.set(typeUrl, (subscription = new Subscription()))
    this.#unsubscribe(subscription, request)
    this.#subscribe(subscription, request, first)
    if (errorDetail) return { refused: subscription.refuse(responseNonce, errorDetail) }
    return { flight: subscription.acknowledge(responseNonce), refused: [] }
  }

  /** The next message to send now, if there is one that need not wait. */
  next(now = performance.now()): DeltaMessage | undefined {
    for (const typeUrl of Object.values(typeUrls)) {
      const subscription = this.#subscriptions.get(typeUrl)
      const message = subscription && !subscription.told && this.#message(typeUrl, subscription, now)
      if (message) return message
    }
    return undefined
  }

  /** The oldest change that the client has not answered, of all types. */
  unsettled(now = performance.now()): Epoch | undefined {
    return this.#oldest([...this.#subscriptions.keys()], now, { removals: true })
  }

  /** Up to which change the client has answered all that it was to get; 0 until it has what there was when it came. */
  answered(): number {
    const subscriptions = [...this.#subscriptions.values()]
    if (!this.#node || !subscriptions.length || subscriptions.some(({ backlog }) => backlog)) return 0
    const oldest = this.#oldest([...this.#subscriptions.keys()], -Infinity, { removals: true })?.number ?? this.#shared.epoch().number + 1
    return subscriptions.some(({ caughtUpAt }) => oldest <= caughtUpAt) ? 0 : oldest - 1
  }

  /** Whether `next` has work to do even though it gave no message. */
  get busy(): boolean {
    return [...this.#subscriptions].some(([typeUrl, subscription]) => this.#mayAdvance(typeUrl, subscription))
  }

  refusals(): StandingRefusal[] {
    return [...this.#subscriptions.values()].flatMap(({ refused }) => [...refused.values()])
  }

  #get(typeUrl: string, name: string): Resource | undefined {
    const resource = this.#own.get(typeUrl)?.get(name) ?? this.#shared.get(typeUrl, name)
    return this.#node && resource?.forNode ? resource.forNode(this.#node) : resource
  }

  #touch(subscription: Subscription | undefined, typeUrl: string, name: string): void {
    if (!subscription?.wants(name)) return
    const there = this.#get(typeUrl, name) !== undefined
    subscription[there ? 'changed' : 'removed'].add(name, this.#shared.epoch())
    subscription[there ? 'removed' : 'changed'].delete(name)
    subscription.missing.delete(name)
  }

  /** Gives a client what it waits for: the resource, or the word that there is none. */
  #offer(subscription: Subscription, typeUrl: string, name: string): void {
    if (this.#get(typeUrl, name)) this.#touch(subscription, typeUrl, name)
    else subscription.missing.add(name)
  }

  #unsubscribe(subscription: Subscription, { resourceNamesUnsubscribe }: IncomingRequest): void {
    for (const name of resourceNamesUnsubscribe) {
      if (name === '*') subscription.wildcard = false
      else subscription.names.delete(name)
      if (name === '*') subscription.backlog = undefined
      if (!subscription.wants(name)) {
        subscription.changed.delete(name)
        subscription.removed.delete(name)
        subscription.missing.delete(name)
        subscription.forget(name)
      }
    }
  }

  #subscribe(subscription: Subscription, request: IncomingRequest, first: boolean): void {
    const { typeUrl } = request
    const asked = request.resourceNamesSubscribe.filter((name) => name !== '*')
    const has = new Map(first && asked.length ? request.versions() : [])
    for (const name of asked) {
      subscription.names.add(name)
      const version = this.#get(typeUrl, name)?.version
      if (version === undefined || has.get(name) !== version) this.#offer(subscription, typeUrl, name)
    }
    // A first request without names means everything, but only of these types (xDS protocol, "how the client specifies what resources to
    // return").
    const implied = first && !asked.length && impliesAll.has(typeUrl)
    if (subscription.wildcard || !(implied || request.resourceNamesSubscribe.includes('*'))) return
    subscription.wildcard = true
    subscription.backlog = { steps: this.#catchUp(typeUrl, subscription, request.versions()), epoch: this.#shared.epoch() }
  }

  /** Compares what a client has with what there is; one resource a step. */
  *#catchUp(typeUrl: string, subscription: Subscription, versions: Iterable<[string, string]>): Generator<void> {
    const has = new Map<string, string>()
    for (const [name, version] of versions) yield void has.set(name, version)
    let news = has.size > 0
    const own = this.#own.get(typeUrl) ?? new Map<string, Resource>()
    for (const shelf of [own, this.#shared.all(typeUrl)]) {
      for (const { name } of shelf.values()) {
        const lacking = has.get(name) !== this.#get(typeUrl, name)?.version
        if (lacking && !subscription.changed.has(name) && !(shelf !== own && own.has(name)))
          subscription.changed.add(name, this.#shared.epoch())
        news ||= lacking
        yield
      }
    }
    for (const name of has.keys()) {
      if (!this.#get(typeUrl, name)) subscription.removed.add(name, this.#shared.epoch())
      yield
    }
    subscription.greeting = !news
  }

  /** Whether there is a backlog to work on: one whose names can be sent, and that need not come after that of another type. */
  #mayAdvance(typeUrl: string, { backlog, flights, changed }: Subscription): boolean {
    if (!backlog || flights.size >= limits.flights || changed.size >= limits.count) return false
    return !changesAfter[typeUrl]?.some((before) => this.#subscriptions.get(before)?.backlog)
  }

  /** Works on the backlog until there is enough for a message, but not for long. */
  #advance(typeUrl: string, subscription: Subscription): void {
    const end = performance.now() + limits.backlog
    while (this.#mayAdvance(typeUrl, subscription) && performance.now() < end) {
      for (let step = 0; step < 100 && subscription.backlog; step++) {
        if (!subscription.backlog.steps.next().done) continue
        subscription.backlog = undefined
        subscription.caughtUpAt = this.#shared.epoch().number
      }
    }
  }

  #message(typeUrl: string, subscription: Subscription, now: number): DeltaMessage | undefined {
    const { flights, retries, changed, removed, missing } = subscription
    if (flights.size >= limits.overdueFlights) return undefined
    if ([...flights.values()].filter(({ sentAt }) => sentAt > now - this.#times.overdue).length >= limits.flights) return undefined
    this.#advance(typeUrl, subscription)
    const retry = retries.shift()
    if (retry) return this.#send(typeUrl, subscription, retry.names, retry.removed, retry.epoch, now)

    const weigh = (name: string): number => Math.max(limits.bytes / limits.count, this.#get(typeUrl, name)?.any.value.length ?? 0)
    const [oldestChange, oldestRemoval] = [changed.oldest(), removed.oldest()]
    const names = oldestChange
      ? changed.take(limits.bytes, this.#oldest(changesAfter[typeUrl], now, { removals: false })?.number ?? Infinity, weigh)
      : []
    const gone = oldestRemoval ? removed.take(limits.bytes, this.#removableUntil(typeUrl, now), weigh) : []
    if (!names.length && !gone.length && !missing.size && !subscription.greeting) return undefined
    const epoch = older(names.length ? oldestChange : undefined, gone.length ? oldestRemoval : undefined) ?? this.#shared.epoch()
    const message = this.#send(typeUrl, subscription, names, [...gone, ...missing], epoch, now)
    missing.clear()
    subscription.greeting = false
    return message
  }

  /** The epoch whose removals must wait still. */
  #removableUntil(typeUrl: string, now: number): number {
    if (now - this.startedAt < this.#times.grace) return 0
    const users = removalsAfter[typeUrl] ?? []
    const owed = users.map((user) => this.#subscriptions.get(user)?.owed(now - this.#times.overdue))
    return owed.reduce(older, this.#oldest(users, now, { removals: true }))?.number ?? Infinity
  }

  #send(typeUrl: string, subscription: Subscription, names: string[], gone: string[], epoch: Epoch, now: number): DeltaMessage {
    const resources: Resource[] = []
    const removed = [...gone]
    for (const name of names) {
      if (!subscription.wants(name)) continue
      const resource = this.#get(typeUrl, name)
      if (resource) resources.push(resource)
      else removed.push(name)
    }
    if (typeUrl === cluster) this.#resendEndpoints(resources)
    const nonce = String(++this.#nonce)
    subscription.flights.set(nonce, { resources, removed, epoch, sentAt: now })
    return { typeUrl, nonce, resources, removed }
  }

  /** A changed cluster warms anew in Envoy until its endpoints come, and Envoy, being subscribed to them already, doesn't ask for them. */
  #resendEndpoints(clusters: Resource[]): void {
    const endpoints = this.#subscriptions.get(endpoint)
    for (const { name } of clusters) if (endpoints?.names.has(name)) this.#offer(endpoints, endpoint, name)
  }

  #oldest(types: string[] | undefined, now: number, options: { removals: boolean }): Epoch | undefined {
    let oldest: Epoch | undefined
    for (const typeUrl of types ?? []) {
      oldest = older(oldest, this.#subscriptions.get(typeUrl)?.unsettled(now - this.#times.overdue, options))
    }
    return oldest
  }
}
