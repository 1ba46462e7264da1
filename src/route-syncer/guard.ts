import { randomBytes } from 'node:crypto'
import type { Logger } from '../common/log.ts'

export type Source = 'bbs' | 'cloud-controller'

export interface Tally {
  routes: number
  instances: number
  apps: number
}

/** What a full read would take away. */
export interface Removal {
  source: Source
  /** What is there now. */
  has: Tally
  removes: Tally
  /** How much of it the other source contradicts, asked anew each time. */
  disputed: () => Tally
  apply: () => void
}

/** A removal that waits, as it is reported. */
export interface Held {
  id: string
  /** ISO 8601. */
  since: string
  source: Source
  reason: string
  removes: Tally
}

export interface GuardConfig {
  /** Percent of the routes or instances. */
  share: number
  /** Never held below this many. */
  minimum: number
}

/**
 * Holds back a full read that would take away too much at once: a source that lost its memory must not empty the mesh. It
 * is let through once the other source agrees, or by an operator's word.
 */
export class Guard {
  readonly #config: GuardConfig
  readonly #log: Logger
  readonly #holds = new Map<Source, { held: Held; removal: Removal }>()

  constructor(config: GuardConfig, log: Logger) {
    this.#config = config
    this.#log = log
  }

  /** The oldest removal that is held. */
  get held(): Held | undefined {
    return [...this.#holds.values()].map(({ held }) => held).sort((a, b) => (a.since < b.since ? -1 : 1))[0]
  }

  /** Applies a removal, or holds it in place of the one of the same source before. */
  submit(removal: Removal): void {
    const { source, removes, has } = removal
    if (!this.#tooMuch(removes, has) || !this.#tooMuch(removal.disputed(), has)) {
      this.#release(source, 'the last read takes away no more than it may')
      removal.apply()
      return
    }
    const before = this.#holds.get(source)?.held
    const reason = `a full read of ${source} would remove ${removes.routes} of ${has.routes} routes, ${removes.instances} of ${has.instances} instances and ${removes.apps} of ${has.apps} apps, and the other source still has them`
    const held: Held = {
      id: before?.id ?? randomBytes(4).toString('hex'),
      since: before?.since ?? new Date().toISOString(),
      source,
      reason,
      removes,
    }
    this.#holds.set(source, { held, removal })
    if (!before) this.#log.error({ held }, `held: ${reason}; accept it with \`meshctl sync accept ${held.id}\``)
  }

  /** Lets through what the other source has come to agree with. */
  recheck(): void {
    for (const [source, { removal }] of this.#holds) {
      if (this.#tooMuch(removal.disputed(), removal.has)) continue
      this.#release(source, 'the other source agrees now')
      removal.apply()
    }
  }

  /** Lets through the held removal of that id; any other is no longer there. */
  accept(id: string): void {
    for (const [source, { held, removal }] of this.#holds) {
      if (held.id !== id) continue
      this.#release(source, 'an operator accepted it')
      removal.apply()
    }
  }

  #release(source: Source, why: string): void {
    const hold = this.#holds.get(source)
    if (!hold) return
    this.#holds.delete(source)
    this.#log.warn({ held: hold.held }, `no longer held: ${why}`)
  }

  #tooMuch(removes: Tally, has: Tally): boolean {
    return (['routes', 'instances', 'apps'] as const).some(
      (kind) => removes[kind] >= this.#config.minimum && removes[kind] * 100 > this.#config.share * has[kind],
    )
  }
}
