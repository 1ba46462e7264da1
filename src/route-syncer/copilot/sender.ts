import { setImmediate as breathe } from 'node:timers/promises'
import { keepTrying } from '../../common/backoff.ts'
import type { Condition } from '../../common/health.ts'
import type { Logger } from '../../common/log.ts'
import { messageOf } from '../../common/problem.ts'
import type { Change } from '../../mesh/records.ts'
import { ChangesRefused, Superseded, type CopilotClient } from './client.ts'

export interface SenderOptions {
  copilot: CopilotClient
  /** All records, for a full sync. */
  all: () => Iterable<Change>
  log: Logger
}

/** Most changes in one request. */
const batchSize = 5_000

/**
 * Brings changes to copilot in order: everything at first and whenever copilot has lost track, then batch after batch, one
 * at a time, each as soon as the one before is accepted. A record that changes again before it is sent is sent once. Where another
 * syncer has taken over our source, it stops for good.
 */
export class Sender {
  readonly #options: SenderOptions
  readonly #stop = new AbortController()
  #pending = new Map<string, Change>()
  #wake: (() => void) | undefined
  #synced = false
  #running: Promise<void> | undefined
  #fault: string | undefined = 'waiting for both sources'

  constructor(options: SenderOptions) {
    this.#options = options
  }

  get condition(): Condition {
    return { ready: this.#synced && !this.#fault, ...(this.#fault && { reason: this.#fault }), pending: this.#pending.size }
  }

  /** Takes a change; before the first full sync began it need not, since that carries everything. */
  add(change: Change): void {
    if (!this.#running || this.#stop.signal.aborted) return
    const key = `${change.kind} ${change.key}`
    this.#pending.delete(key)
    this.#pending.set(key, change)
    this.#wake?.()
  }

  /** Begins to send. From now on copilot has what we have. */
  begin(): void {
    if (this.#running) return
    this.#fault = 'copilot has not taken all records yet'
    this.#running = keepTrying(
      async (backoff) => {
        if (!this.#synced) {
          await this.#sendAll()
          backoff.reset()
        }
        for (;;) {
          await this.#somethingPending()
          await this.#sendSome()
          backoff.reset()
        }
      },
      { signal: this.#stop.signal, min: 50, max: 2_000, onError: (error) => this.#failed(error) },
    )
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    this.#wake?.()
    await this.#running
  }

  async #sendAll(): Promise<void> {
    this.#pending.clear()
    await this.#options.copilot.putAll(this.#options.all(), this.#stop.signal)
    this.#synced = true
    this.#fault = undefined
    this.#options.log.info('copilot has all records')
  }

  async #somethingPending(): Promise<void> {
    if (!this.#pending.size) await new Promise<void>((resolve) => (this.#wake = resolve))
    this.#wake = undefined
    this.#stop.signal.throwIfAborted()
    // What else the same piece of news brings goes into the same batch.
    await breathe()
  }

  async #sendSome(): Promise<void> {
    const batch = [...this.#pending].slice(0, batchSize)
    for (const [key] of batch) this.#pending.delete(key)
    try {
      await this.#options.copilot.post(
        batch.map(([, change]) => change),
        this.#stop.signal,
      )
      this.#fault = undefined
    } catch (error) {
      this.#pending = new Map([...batch, ...this.#pending])
      throw error
    }
  }

  #end(): void {
    this.#stop.abort()
    this.#pending.clear()
    this.#options.log.error(`${this.#fault}`)
  }

  #failed(error: unknown): void {
    const { code } = error as { code?: string }
    if (code === ChangesRefused.code) this.#synced = false
    this.#fault = messageOf(error)
    if (code === Superseded.code) return this.#end()
    this.#options.log.warn(`copilot did not take our records: ${this.#fault}`)
  }
}
