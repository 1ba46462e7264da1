import { setImmediate } from 'node:timers/promises'
import type { ResourceCache } from '../../common/xds/cache.ts'
import type { Resource } from '../../common/xds/resources.ts'
import { kinds, type Change } from '../../mesh/records.ts'
import type { Follower } from '../copilot-client.ts'
import type { Translator } from '../translate/translator.ts'

/** Told of changes whose effect is in the cache now, and of the resources that are new there; never of a part of a snapshot. */
type OnPublished = (changes: Change[], resources: Resource[]) => void

/** Follows copilot's records: what they change is translated and put into the cache that routers are served from. */
export class Publisher implements Follower {
  readonly #translator: Translator
  readonly #cache: ResourceCache
  readonly #onPublished: OnPublished
  readonly #resolved = new Map<string, string[]>()
  #applying = false
  #whole = false
  /** The snapshot that is being read is the first, and goes into the cache as it comes. */
  #filling = false
  /** What of a snapshot waits for its end. */
  #held: Change[] = []

  constructor(translator: Translator, cache: ResourceCache, onPublished: OnPublished = () => {}) {
    this.#translator = translator
    this.#cache = cache
    this.#onPublished = onPublished
  }

  /** Whether copilot's records have been here in full. Before that, serving would take from routers what they have. */
  get whole(): boolean {
    return this.#whole
  }

  /** Whether the cache is being filled with clusters and endpoints, so that a router which has nothing can have them already. */
  get filling(): boolean {
    return this.#filling
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

  begin(): void {
    this.#held = []
    this.#filling = this.#translator.model.empty
    this.#translator.model.share(true)
  }

  /**
   * Where there is nothing yet the platform's records are translated as they come. All others are compared with what there is once all are
   * here.
   */
  async read(records: Change[]): Promise<void> {
    const waits = this.#filling ? records.filter(hasToWait) : records
    for (const record of waits) this.#held.push(record)
    if (waits.length < records.length) await this.#put(waits.length ? records.filter((record) => !hasToWait(record)) : records)
  }

  async finish(changes: Change[]): Promise<void> {
    const rest = [...this.#held, ...changes]
    this.#held = []
    await this.#publish(this.#filling ? rest : inOrder(this.#translator.model.difference(rest)), () => this.#translator.constants)
    this.#end()
    this.#whole = true
  }

  abandon(): void {
    this.#held = []
    this.#end()
  }

  #end(): void {
    this.#filling = false
    this.#translator.model.share(false)
  }

  async apply(changes: Change[]): Promise<void> {
    await this.#publish(changes)
  }

  async #publish(changes: Change[], more: () => Resource[] = () => []): Promise<void> {
    this.#onPublished(changes, await this.#put(changes, more))
    this.#applyResolved()
  }

  async #put(changes: Change[], more: () => Resource[] = () => []): Promise<Resource[]> {
    this.#applying = true
    try {
      const steps = this.#translator.steps(changes)
      let step = steps.next()
      for (; !step.done; step = steps.next()) await setImmediate()
      const changed = [...step.value.changed, ...more()]
      this.#cache.apply({ changed, removed: step.value.removed })
      return changed
    } finally {
      this.#applying = false
    }
  }
}

/** Rules belong together, and come with the subsets that they name; and nothing is taken away before all is known. */
const hasToWait = ({ kind, value }: Change): boolean => kind === 'resource' || kind === 'secret' || value === null

/** What others refer to first, so that each route is translated once; removals last, in the opposite order. */
function inOrder(changes: Change[]): Change[] {
  const rank = ({ kind, value }: Change): number => (value === null ? 2 * kinds.length - kinds.indexOf(kind) : kinds.indexOf(kind))
  return changes.sort((one, other) => rank(one) - rank(other))
}
