import { setTimeout as delay } from 'node:timers/promises'
import type { Part } from '../../common/lifecycle.ts'
import type { Logger } from '../../common/log.ts'
import { messageOf } from '../../common/problem.ts'
import { version } from '../../common/version.ts'
import type { ClientStatus } from '../../common/xds/server.ts'
import type { CopilotClient } from '../copilot-client.ts'

export interface ReporterOptions {
  name: string
  copilot: Pick<CopilotClient, 'report' | 'condition' | 'position'>
  routers: () => ClientStatus[]
  log: Logger
  /** Milliseconds between reports. */
  every?: number
}

/** Tells copilot every five seconds how pilot and its routers are. */
export class Reporter implements Part {
  readonly name = 'report'
  readonly #options: ReporterOptions
  readonly #stop = new AbortController()
  #running: Promise<void> | undefined

  constructor(options: ReporterOptions) {
    this.#options = options
  }

  async start(): Promise<void> {
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { name, copilot, routers, log, every = 5000 } = this.#options
    const { signal } = this.#stop
    while (!signal.aborted) {
      const status = { version, ready: copilot.condition().ready, revision: copilot.position?.revision, routers: routers() }
      await copilot.report('pilot', name, status).catch((error: unknown) => log.debug({ reason: messageOf(error) }, 'cannot report to copilot'))
      await delay(every, undefined, { signal }).catch(() => {})
    }
  }
}
