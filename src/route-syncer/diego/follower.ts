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

/** Milliseconds from a full read that failed to the next. */
const retryAfter = 2_000

/** Follows BBS: its events as they come, and a full read after each connection and every while, which repairs what was missed. */
export class DiegoFollower implements Part {
  readonly name = 'bbs'
  readonly #options: DiegoFollowerOptions
  readonly #stop = new AbortController()
  #running: Promise<unknown> | undefined
  #reading: Promise<void> | undefined
  #again = false
  #next: NodeJS.Timeout | undefined
  #connected = false
  #readAt: number | undefined
  #heardAt: number | undefined
  #fault: { stream?: string | undefined; read?: string | undefined } = {}

  constructor(options: DiegoFollowerOptions) {
    this.#options = options
  }

  get condition(): Condition {
    const reason = this.#fault.read ?? this.#fault.stream ?? (this.#readAt === undefined ? 'BBS was not read yet' : undefined)
    return {
      ready: this.#readAt !== undefined && this.#connected,
      ...(reason && { reason }),
      connected: this.#connected,
      readAgeMs: age(this.#readAt),
      heardAgeMs: age(this.#heardAt),
      ...this.#options.model.diego.counts,
    }
  }

  /** Milliseconds since BBS was last known to be read whole; undefined before. */
  get ageMs(): number | undefined {
    return age(this.#readAt)
  }

  start(): Promise<void> {
    this.#running = keepTrying((backoff) => this.#follow(() => backoff.reset()), {
      signal: this.#stop.signal,
      min: 200,
      max: 2_000,
      onError: (error) => this.#disconnected(error),
    })
    this.#readLater()
    return Promise.resolve()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    clearTimeout(this.#next)
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

  /** Has the next full read begin after its interval, or soon where the last one failed. */
  #readLater(): void {
    clearTimeout(this.#next)
    const { fullInterval } = this.#options
    if (!this.#stop.signal.aborted)
      this.#next = setTimeout(() => this.#read(), this.#fault.read === undefined ? fullInterval : Math.min(retryAfter, fullInterval))
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
        else this.#readLater()
      })
  }
}

function age(time: number | undefined): number | undefined {
  return time === undefined ? undefined : Date.now() - time
}
