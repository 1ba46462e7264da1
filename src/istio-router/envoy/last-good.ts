import type { ResourceCache } from '../../common/xds/cache.ts'
import type { Refusal, Resource, ResourceUpdate } from '../../common/xds/resources.ts'

interface Trial {
  /** What Envoy is known to use; undefined if nothing of that name. */
  good: Resource | undefined
  /** Refusals since the trial began, by version. */
  refused: Map<string, Refusal>
}

/**
 * Puts changes into the cache on trial: until Envoy has answered, the version before is remembered, and a refusal puts that back, so that
 * an Envoy that starts anew gets what was good.
 */
export class LastGood {
  readonly #cache: ResourceCache
  readonly #trials = new Map<string, Trial>()

  constructor(cache: ResourceCache) {
    this.#cache = cache
  }

  apply(update: ResourceUpdate): void {
    for (const { typeUrl, name } of update.changed) {
      const id = key(typeUrl, name)
      if (!this.#trials.has(id)) this.#trials.set(id, { good: this.#cache.get(typeUrl, name), refused: new Map() })
    }
    for (const { typeUrl, name } of update.removed) this.#trials.delete(key(typeUrl, name))
    this.#cache.apply(update)
  }

  /** Notes refusals and puts the good versions back. Returns those that are on trial no more: their update was accepted before. */
  refuse(refusals: Refusal[]): Refusal[] {
    return refusals.filter((refusal) => {
      const { typeUrl, name, version } = refusal
      const trial = this.#trials.get(key(typeUrl, name))
      trial?.refused.set(version, refusal)
      if (this.#cache.get(typeUrl, name)?.version === version) {
        this.#cache.apply(trial?.good ? { changed: [trial.good], removed: [] } : { changed: [], removed: [{ typeUrl, name }] })
      }
      return !trial
    })
  }

  /** Ends the trial of resources that Envoy has had time to answer. Returns those that it refused. */
  settle(resources: Resource[]): Refusal[] {
    const latest = new Map(resources.map((resource) => [key(resource.typeUrl, resource.name), resource]))
    return [...latest].flatMap(([id, resource]) => {
      const trial = this.#trials.get(id)
      if (!trial) return []
      const refusal = trial.refused.get(resource.version)
      const current = this.#cache.get(resource.typeUrl, resource.name)
      if (!refusal) trial.good = resource
      if (!current || current.version === trial.good?.version) this.#trials.delete(id)
      return refusal ? [refusal] : []
    })
  }
}

function key(typeUrl: string, name: string): string {
  return `${typeUrl} ${name}`
}
