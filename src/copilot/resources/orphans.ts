import { setTimeout as delay } from 'node:timers/promises'
import type { Part } from '../../common/lifecycle.ts'
import type { Logger } from '../../common/log.ts'
import { messageOf } from '../../common/problem.ts'
import type { Audit } from '../people/audit.ts'
import type { Store } from '../store/store.ts'

export interface OrphanKeeperOptions {
  store: Store
  audit: Audit
  log: Logger
  /** How long what was applied is kept after its space is gone, milliseconds. */
  patience: number
  /** Milliseconds between two looks. */
  every?: number
}

/** Removes what was applied in spaces that are gone, once they have been so for long: a space that is missing by a fault comes back before. */
export class OrphanKeeper implements Part {
  readonly name = 'orphans'
  readonly #options: OrphanKeeperOptions
  readonly #stop = new AbortController()
  #running: Promise<void> | undefined

  constructor(options: OrphanKeeperOptions) {
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
    const { store, audit, log, patience, every = Math.min(600_000, Math.max(1000, patience / 10)) } = this.#options
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        for (const subject of (await store.removeOrphans(patience)).removed) audit({ author: 'copilot', action: 'purged', subject })
      } catch (error) {
        log.warn({ reason: messageOf(error) }, 'cannot look for what spaces have left behind')
      }
      await delay(every, undefined, { signal }).catch(() => {})
    }
  }
}
