import type { LogEnvelope, LogQuery } from '../diego.ts'

/** Envelopes kept of one app; the oldest go first. */
const perApp = 2_000
/** Apps whose envelopes are kept; the one that has been silent for longest goes first. */
const apps = 1_000
const defaultLimit = 100

/** The last log lines of each app, as log-cache keeps them. */
export class LogStore {
  readonly #apps = new Map<string, LogEnvelope[]>()
  #last = 0n

  append(envelope: Omit<LogEnvelope, 'timestamp'>): void {
    const lines = this.#apps.get(envelope.appGuid) ?? []
    lines.push({ ...envelope, timestamp: this.#now() })
    // Cut rarely, as cutting moves all.
    if (lines.length > perApp * 1.25) lines.splice(0, lines.length - perApp)
    this.#apps.delete(envelope.appGuid)
    this.#apps.set(envelope.appGuid, lines)
    if (this.#apps.size > apps) this.#apps.delete(this.#apps.keys().next().value!)
  }

  /** The oldest that fit the query, or with `descending` the newest, newest first. */
  read(appGuid: string, { startTime = 0n, endTime, limit = defaultLimit, descending = false }: LogQuery): LogEnvelope[] {
    const lines = (this.#apps.get(appGuid) ?? [])
      .slice(-perApp)
      .filter(({ timestamp }) => timestamp >= startTime && (endTime === undefined || timestamp < endTime))
    return descending ? lines.reverse().slice(0, limit) : lines.slice(0, limit)
  }

  /** Nanoseconds since 1970, each later than the one before, so that a reader who goes on after the last misses none. */
  #now(): bigint {
    const now = BigInt(Date.now()) * 1_000_000n
    this.#last = now > this.#last ? now : this.#last + 1n
    return this.#last
  }
}
