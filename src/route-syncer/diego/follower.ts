import { setTimeout as delay } from 'node:timers/promises'
import { keepTrying } from '../../common/backoff.ts'
import type { Condition } from '../../common/health.ts'
import type { Part } from '../../common/lifecycle.ts'
import type { Logger } from '../../common/log.ts'
import { messageOf } from '../../common/problem.ts'
import type { Bbs } from '../../platform/bbs/client.ts'
import type { Model } from '../model.ts'
import type { DiegoReader } from './reader.ts'

export interface DiegoFollowerOptions {
  bbs: Bbs
  reader: DiegoReader
  model: Model
  /** Milliseconds between full reads. */
  fullInterval: number
  log: Logger
  /** Called after each full read. */
  onRead: () => void
}

/** Follows BBS: its events as they come, and a full read after each connection and every while, which repairs what was missed. */
export class DiegoFollower implements Part {
  readonly name = 'bbs'
  readonly #options: DiegoFollowerOptions
  readonly #stop = new AbortController()
  #running: Promise<unknown> | undefined
  #reading: Promise<void> | undefined
  #again = false
  #connected = false
  #readAt: number | undefined
  #heardAt: number | undefined
  #fault: { stream?: string | undefined; read?: string | undefined } = {}

  constructor(options: DiegoFollowerOptions) {
    this.#options = options
  }

  get condition(): Condition {
    const reason = this.#fault.read ?? this.#fault.stream ?? (this.#readAt === undefined ? 'BBS was not read yet' : undefined)
    return { ready: this.#readAt !== undefined && this.#connected, ...(reason && { reason }), connected: this.#connected, readAgeMs: age(this.#readAt), heardAgeMs: age(this.#heardAt), ...this.#options.model.diego.counts }
  }

  /** Milliseconds since BBS was last known to be read whole; undefined before. */
  get ageMs(): number | undefined {
    return age(this.#readAt)
  }

  start(): Promise<void> {
    const { signal } = this.#stop
    this.#running = Promise.all([
      keepTrying((backoff) => this.#follow(() => backoff.reset()), { signal, min: 200, max: 2_000, onError: (error) => this.#disconnected(error) }),
      this.#repair(),
    ])
    return Promise.resolve()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
    await this.#reading
  }

  async #follow(opened: () => void): Promise<void> {
    const { bbs, model, log } = this.#options
    await bbs.follow({
      signal: this.#stop.signal,
      onOpen: () => {
        opened()
        this.#connected = true
        this.#fault.stream = undefined
        log.info({ address: bbs.address }, 'following BBS')
        this.#read()
      },
      onEvent: (event) => {
        this.#heardAt = Date.now()
        model.diego.apply(event, model.clock.tick())
      },
    })
  }

  #disconnected(error: unknown): void {
    this.#connected = false
    this.#fault.stream = messageOf(error)
    this.#options.log.warn(`the event stream of BBS was lost: ${this.#fault.stream}`)
  }

  async #repair(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      const failed = this.#fault.read !== undefined
      await delay(failed ? Math.min(2_000, this.#options.fullInterval) : this.#options.fullInterval, undefined, { signal }).catch(() => {})
      if (!signal.aborted) this.#read()
    }
  }

  /** Begins a full read; one that is asked for while another runs comes after it. */
  #read(): void {
    this.#again = this.#reading !== undefined
    this.#reading ??= this.#options.reader
      .readAll(this.#stop.signal)
      .then(() => {
        this.#readAt = Date.now()
        this.#fault.read = undefined
        this.#options.onRead()
      })
      .catch((error: unknown) => {
        if (this.#stop.signal.aborted) return
        this.#fault.read = messageOf(error)
        this.#options.log.warn(`BBS could not be read: ${this.#fault.read}`)
      })
      .finally(() => {
        this.#reading = undefined
        if (this.#again && !this.#stop.signal.aborted) this.#read()
      })
  }
}

function age(time: number | undefined): number | undefined {
  return time === undefined ? undefined : Date.now() - time
}
