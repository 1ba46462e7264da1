import { setTimeout as delay } from 'node:timers/promises'
import type { Part } from '../../common/lifecycle.ts'
import type { Logger } from '../../common/log.ts'
import { messageOf } from '../../common/problem.ts'
import { version } from '../../common/version.ts'
import type { ClientStatus } from '../../common/xds/server.ts'
import type { CopilotClient } from '../copilot-client.ts'
import type { ResourceStatus } from './resource-status.ts'

export interface ReporterOptions {
  name: string
  copilot: Pick<CopilotClient, 'report' | 'condition' | 'position'>
  routers: () => ClientStatus[]
  resources: Pick<ResourceStatus, 'report' | 'essence'>
  log: Logger
  /** Milliseconds between reports. */
  every?: number
}

/** Refusals that a report lists of one router; `refusals` tells how many there are. */
const listed = 100

/** Tells copilot every five seconds, and as soon as something of it changes, how pilot, its routers and the resources are. */
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
    const { every = 5000 } = this.#options
    const { signal } = this.#stop
    let told = ''
    for (let tick = 0; !signal.aborted; tick++) {
      const now = this.#essence()
      if (tick % 10 === 0 || now !== told) {
        told = now
        await this.#report()
      }
      await delay(every / 10, undefined, { signal }).catch(() => {})
    }
  }

  /** What a report is sent for at once when it changes. */
  #essence(): string {
    const { copilot, routers, resources } = this.#options
    return JSON.stringify([resources.essence(), copilot.condition().ready, routers().map(({ name, connectedSince, refused }) => [name, connectedSince, refused.length])])
  }

  async #report(): Promise<void> {
    const { name, copilot, routers, resources, log } = this.#options
    const states = routers().map((router) => ({ ...router, refused: router.refused.slice(0, listed), refusals: router.refused.length }))
    const status = { version, ready: copilot.condition().ready, revision: copilot.position?.revision, routers: states, resources: resources.report() }
    await copilot.report('pilot', name, status).catch((error: unknown) => log.debug({ reason: messageOf(error) }, 'cannot report to copilot'))
  }
}
