import { setImmediate } from 'node:timers/promises'
import type { ResourceCache } from '../../common/xds/cache.ts'
import { kinds, type Change } from '../../mesh/records.ts'
import type { Follower } from '../copilot-client.ts'
import type { Translator } from '../translate/translator.ts'

/** Follows copilot's records: what they change is translated and put into the cache that routers are served from. */
export class Publisher implements Follower {
  readonly #translator: Translator
  readonly #cache: ResourceCache
  readonly #onPublished: (changes: Change[]) => void
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

  async replace(records: Change[]): Promise<void> {
    await this.apply(inOrder(this.#translator.model.difference(records)))
    this.#cache.apply({ changed: this.#translator.constants, removed: [] })
    this.#whole = true
  }

  async apply(changes: Change[]): Promise<void> {
    const steps = this.#translator.steps(changes)
    let step = steps.next()
    for (; !step.done; step = steps.next()) await setImmediate()
    this.#cache.apply(step.value)
    this.#onPublished(changes)
  }
}

/** What others refer to first, so that each route is translated once; removals last, in the opposite order. */
function inOrder(changes: Change[]): Change[] {
  const rank = ({ kind, value }: Change): number => (value === null ? 2 * kinds.length - kinds.indexOf(kind) : kinds.indexOf(kind))
  return changes.sort((one, other) => rank(one) - rank(other))
}
