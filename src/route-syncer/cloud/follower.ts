import { setTimeout as delay } from 'node:timers/promises'
import { keepTrying } from '../../common/backoff.ts'
import type { Condition } from '../../common/health.ts'
import type { Part } from '../../common/lifecycle.ts'
import type { Logger } from '../../common/log.ts'
import { messageOf } from '../../common/problem.ts'
import type { CloudReader } from './reader.ts'

export interface CloudFollowerOptions {
  reader: CloudReader
  /** Milliseconds between looks for changes. */
  pollInterval: number
  /** Milliseconds between full reads. */
  fullInterval: number
  log: Logger
  /** Called after each read. */
  onRead: () => void
}

/** Follows Cloud Controller: a full read, then its changes every while, and now and then a full read again as repair. */
export class CloudFollower implements Part {
  readonly name = 'cloud-controller'
  readonly #options: CloudFollowerOptions
  readonly #stop = new AbortController()
  #running: Promise<unknown> | undefined
  #fullAt: number | undefined
  #readAt: number | undefined
  #fault: string | undefined

  constructor(options: CloudFollowerOptions) {
    this.#options = options
  }

  get condition(): Condition {
    const reason = this.#fault ?? (this.#fullAt === undefined ? 'Cloud Controller was not read yet' : undefined)
    return {
      ready: this.#fullAt !== undefined && !this.#fault,
      ...(reason && { reason }),
      readAgeMs: this.ageMs,
      fullReadAgeMs: this.#fullAt === undefined ? undefined : Date.now() - this.#fullAt,
    }
  }

  /** Milliseconds since it was last read; undefined before. */
  get ageMs(): number | undefined {
    return this.#readAt === undefined ? undefined : Date.now() - this.#readAt
  }

  start(): Promise<void> {
    const { reader, pollInterval, fullInterval } = this.#options
    const { signal } = this.#stop
    const retry = { signal, min: 500, max: 2_000, onError: (error: unknown) => this.#failed(error) }
    const full = keepTrying(async (backoff) => {
      await reader.readAll(signal)
      this.#fullAt = this.#succeeded()
      backoff.reset()
      await delay(fullInterval, undefined, { signal })
    }, retry)
    const changes = keepTrying(
      async (backoff) => {
        await delay(pollInterval, undefined, { signal })
        if (this.#fullAt === undefined) return backoff.reset()
        await reader.readChanges(signal)
        this.#succeeded()
        backoff.reset()
      },
      { ...retry, min: 1 },
    )
    this.#running = Promise.all([full, changes])
    return Promise.resolve()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  #succeeded(): number {
    this.#readAt = Date.now()
    this.#fault = undefined
    this.#options.onRead()
    return this.#readAt
  }

  #failed(error: unknown): void {
    this.#fault = messageOf(error)
    this.#options.log.warn(`Cloud Controller could not be read: ${this.#fault}`)
  }
}
