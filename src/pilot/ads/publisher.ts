import { setImmediate } from 'node:timers/promises'
import type { ResourceCache } from '../../common/xds/cache.ts'
import type { Resource } from '../../common/xds/resources.ts'
import { kinds, type Change } from '../../mesh/records.ts'
import type { Follower } from '../copilot-client.ts'
import type { Translator } from '../translate/translator.ts'

/** Follows copilot's records: what they change is translated and put into the cache that routers are served from. */
export class Publisher implements Follower {
  readonly #translator: Translator
  readonly #cache: ResourceCache
  readonly #onPublished: (changes: Change[]) => void
  readonly #resolved = new Map<string, string[]>()
  #applying = false
  #whole = false

  /** `onPublished` is told of changes whose effect is in the cache now. */
  constructor(translator: Translator, cache: ResourceCache, onPublished: (changes: Change[]) => void = () => {}) {
    this.#translator = translator
    this.#cache = cache
    this.#onPublished = onPublished
  }

  /** Whether copilot's records have been here in full. Before that, serving would take from routers what they have. */
  get whole(): boolean {
    return this.#whole
  }

  /** Takes what DNS has for the name of an external service; after the transaction that is under way. */
  resolved(name: string, addresses: string[]): void {
    this.#resolved.set(name, addresses)
    if (!this.#applying) this.#applyResolved()
  }

  #applyResolved(): void {
    for (const [name, addresses] of this.#resolved) this.#cache.apply(this.#translator.resolved(name, addresses))
    this.#resolved.clear()
  }

  async replace(records: Change[]): Promise<void> {
    await this.#publish(inOrder(this.#translator.model.difference(records)), () => this.#translator.constants)
    this.#whole = true
  }

  async apply(changes: Change[]): Promise<void> {
    await this.#publish(changes, () => [])
  }

  async #publish(changes: Change[], more: () => Resource[]): Promise<void> {
    this.#applying = true
    try {
      const steps = this.#translator.steps(changes)
      let step = steps.next()
      for (; !step.done; step = steps.next()) await setImmediate()
      this.#cache.apply({ changed: [...step.value.changed, ...more()], removed: step.value.removed })
      this.#onPublished(changes)
    } finally {
      this.#applying = false
    }
    this.#applyResolved()
  }
}

/** What others refer to first, so that each route is translated once; removals last, in the opposite order. */
function inOrder(changes: Change[]): Change[] {
  const rank = ({ kind, value }: Change): number => (value === null ? 2 * kinds.length - kinds.indexOf(kind) : kinds.indexOf(kind))
  return changes.sort((one, other) => rank(one) - rank(other))
}
