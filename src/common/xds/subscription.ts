import { older, Pending, type Epoch } from './pending.ts'
import { namedCulprits } from './culprits.ts'
import { refusalsOf, type Status } from './protocol.ts'
import type { Refusal, Resource } from './resources.ts'

/** A message that was sent and not answered yet. */
export interface Flight {
  resources: Resource[]
  removed: string[]
  /** The oldest change in it. */
  epoch: Epoch
  /** When it was sent, milliseconds of `performance.now`. */
  sentAt: number
}

/** A refusal that stands. */
export interface StandingRefusal extends Refusal {
  /** When it was refused, ISO 8601. */
  since: string
}

/** Finding out what a new subscriber lacks, a little at a time: each step adds to what is pending. */
export interface Backlog {
  steps: Iterator<void>
  epoch: Epoch
}

/** Names to send again together, since the message that had them was refused for one of them. */
interface Retry {
  names: string[]
  removed: string[]
  epoch: Epoch
}

/** One client's subscription to one resource type: what it wants, what it is yet to get, and how it answered. */
export class Subscription {
  wildcard = false
  readonly names = new Set<string>()
  readonly changed = new Pending()
  readonly removed = new Pending()
  /** Names that the client asked for and that don't exist: it waits to hear so. */
  readonly missing = new Set<string>()
  readonly retries: Retry[] = []
  readonly flights = new Map<string, Flight>()
  readonly refused = new Map<string, StandingRefusal>()
  /** Names whose change was refused, until the client takes another: it goes on with what it had, and with what that refers to. */
  readonly #owed = new Map<string, { epoch: Epoch; refusedAt: number }>()
  /** A client that subscribes to everything and gets nothing is told so, once; Envoy waits for it. */
  greeting = false
  backlog: Backlog | undefined
  /** The change up to which it was found out what the subscriber lacked; 0 where that was never needed. */
  caughtUpAt = 0
  acknowledgedAt: Date | undefined

  wants(name: string): boolean {
    return this.wildcard || this.names.has(name)
  }

  /** Whether there is nothing to tell the client. */
  get told(): boolean {
    const { changed, removed, missing, retries, greeting, backlog } = this
    return !(changed.size || removed.size || missing.size || retries.length || greeting || backlog)
  }

  /** The oldest change that the client has not answered yet; flights sent before `stale` no longer count. */
  unsettled(stale: number, { removals }: { removals: boolean }): Epoch | undefined {
    let oldest = older(this.changed.oldest(), this.backlog?.epoch)
    if (removals) oldest = older(oldest, this.removed.oldest())
    for (const { epoch } of this.retries) oldest = older(oldest, epoch)
    for (const { epoch, sentAt } of this.flights.values()) if (sentAt > stale) oldest = older(oldest, epoch)
    return oldest
  }

  /** The oldest change that the client refused after `stale` and has had nothing for since. */
  owed(stale: number): Epoch | undefined {
    let oldest: Epoch | undefined
    for (const { epoch, refusedAt } of this.#owed.values()) if (refusedAt > stale) oldest = older(oldest, epoch)
    return oldest
  }

  /** Takes the client's ACK of a message. Returns the flight that it answers, if it answers one. */
  acknowledge(nonce: string): Flight | undefined {
    const flight = this.#land(nonce)
    if (!flight) return undefined
    this.#hold(flight, new Set())
    this.acknowledgedAt = new Date()
    return flight
  }

  /**
   * Takes the client's NACK and returns the refusals that are certain. Where the client names the culprits the rest of the message
   * holds; otherwise nothing of it is known to hold, and it is sent again in halves until a message of one resource is refused.
   */
  refuse(nonce: string, status: Status): StandingRefusal[] {
    const flight = this.#land(nonce)
    const named = refusalsOf(status)
    if (named.length) {
      if (flight) this.#hold(flight, new Set(named.map(({ name }) => name)))
      return this.#stand(
        named.filter(({ name }) => this.wants(name)),
        flight,
      )
    }
    if (!flight) return []
    const culprits = namedCulprits(status.message, flight.resources)
    if (culprits.length) {
      this.#hold(flight, new Set(culprits.map(({ name }) => name)))
      return this.#stand(culprits, flight)
    }
    const [only] = flight.resources
    if (flight.resources.length === 1 && !flight.removed.length && only) {
      return this.#stand([{ typeUrl: only.typeUrl, name: only.name, version: only.version, reason: status.message }], flight)
    }
    this.#halve(flight)
    return []
  }

  #land(nonce: string): Flight | undefined {
    const flight = this.flights.get(nonce)
    this.flights.delete(nonce)
    return flight
  }

  /** What of a message the client took: all but the refused. */
  #hold({ resources, removed }: Flight, refused: Set<string>): void {
    for (const name of [...resources.map(({ name }) => name), ...removed]) if (!refused.has(name)) this.forget(name)
  }

  /** A refusal no longer stands. */
  forget(name: string): void {
    this.refused.delete(name)
    this.#owed.delete(name)
  }

  #stand(refusals: Refusal[], flight?: Flight): StandingRefusal[] {
    const since = new Date().toISOString()
    if (flight)
      for (const { name } of refusals)
        this.#owed.set(name, { epoch: this.#owed.get(name)?.epoch ?? flight.epoch, refusedAt: performance.now() })
    const standing = refusals.map((refusal) => ({ ...refusal, reason: shorten(refusal.reason), since }))
    for (const refusal of standing) this.refused.set(refusal.name, refusal)
    return standing
  }

  #halve({ resources, removed, epoch }: Flight): void {
    const names = resources.map(({ name }) => name)
    const middle = Math.ceil(names.length / 2)
    const parts: Retry[] = [
      { names: names.slice(0, middle), removed: [], epoch },
      { names: names.slice(middle), removed: [], epoch },
    ]
    if (removed.length && names.length) parts.push({ names: [], removed, epoch })
    this.retries.unshift(...parts.filter((part) => part.names.length || part.removed.length))
  }
}

/** Envoy's reasons may quote the whole resource. */
function shorten(reason: string): string {
  return reason.length > 1000 ? `${reason.slice(0, 1000)}…` : reason
}
