import type { Part } from '../../common/lifecycle.ts'
import type { Logger } from '../../common/log.ts'
import { loop } from '../../common/loop.ts'
import { messageOf } from '../../common/problem.ts'
import type { Audit } from '../people/audit.ts'
import type { Store } from '../store/store.ts'

export interface OrphansOptions {
  store: Store
  audit: Audit
  log: Logger
  /** How long what was applied is kept after its space is gone, milliseconds. */
  patience: number
  /** Milliseconds between two looks. */
  every?: number
}

/**
 * Removes what was applied in spaces that are gone, once they have been so for long: a space that is missing by a fault comes back before.
 */
export function removeOrphans({
  store,
  audit,
  log,
  patience,
  every = Math.min(600_000, Math.max(1000, patience / 10)),
}: OrphansOptions): Part {
  return loop('orphans', async () => {
    try {
      for (const subject of (await store.removeOrphans(patience)).removed) audit({ author: 'copilot', action: 'purged', subject })
    } catch (error) {
      log.warn({ reason: messageOf(error) }, 'cannot look for what spaces have left behind')
    }
    return every
  })
}
