import { setTimeout as delay } from 'node:timers/promises'
import type { Part } from '../common/lifecycle.ts'
import type { Logger } from '../common/log.ts'
import { messageOf } from '../common/problem.ts'
import type { CopilotClient, Orders } from './copilot/client.ts'

export interface ReporterOptions {
  copilot: CopilotClient
  /** What we say of ourselves, without what changes all the time. */
  status: () => object
  /** What is added to it, and is no reason to report at once. */
  ages: () => object
  /** An operator's order is waited for. */
  waiting: () => boolean
  onOrders: (orders: Orders) => void
  log: Logger
}

/** How often copilot hears of us, and how often we look whether there is something new to say or an order to fetch, milliseconds. */
const every = 5_000
const look = 500

/** Reports this syncer's state to copilot every 5 s and soon after it changes; the answers carry operators' orders. */
export class Reporter implements Part {
  readonly name = 'reports'
  readonly #options: ReporterOptions
  readonly #stop = new AbortController()
  #running: Promise<void> | undefined
  #reported = ''
  #reportedAt = 0
  #failing = false

  constructor(options: ReporterOptions) {
    this.#options = options
  }

  start(): Promise<void> {
    this.#running = this.#run()
    return Promise.resolve()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      await this.#tell()
      await delay(look, undefined, { signal }).catch(() => {})
    }
  }

  async #tell(): Promise<void> {
    const { copilot, status, ages, waiting, onOrders, log } = this.#options
    const said = status()
    const text = JSON.stringify(said)
    if (text === this.#reported && !waiting() && Date.now() - this.#reportedAt < every) return
    this.#reportedAt = Date.now()
    this.#reported = text
    try {
      onOrders(await copilot.report({ ...said, ...ages() }, this.#stop.signal))
      this.#failing = false
    } catch (error) {
      if (!this.#failing && !this.#stop.signal.aborted) log.warn(`copilot did not take our report: ${messageOf(error)}`)
      this.#failing = true
    }
  }
}
