import type { ResourceCache } from '../../common/xds/cache.ts'
import type { Refusal, Resource, ResourceUpdate } from '../../common/xds/resources.ts'

interface Trial {
  /** What Envoy is known to use; undefined if nothing of that name. */
  good: Resource | undefined
  /** Refusals since the trial began, by version, if any. */
  refused: Map<string, Refusal> | undefined
}

/**
 * Puts changes into the cache on trial: until Envoy has answered, the version before is remembered, and a refusal puts that back, so that
 * an Envoy that starts anew gets what was good.
 */
export class LastGood {
  readonly #cache: ResourceCache
  /** By type and name. */
  readonly #trials = new Map<string, Map<string, Trial>>()

  constructor(cache: ResourceCache) {
    this.#cache = cache
  }

  apply(update: ResourceUpdate): void {
    for (const { typeUrl, name } of update.changed) {
      const trials = this.#trialsOf(typeUrl)
      if (!trials.has(name)) trials.set(name, { good: this.#cache.get(typeUrl, name), refused: undefined })
    }
    for (const { typeUrl, name } of update.removed) this.#trialsOf(typeUrl).delete(name)
    this.#cache.apply(update)
  }

  /** Whether Envoy has not answered yet. */
  tries({ typeUrl, name }: Pick<Resource, 'typeUrl' | 'name'>): boolean {
    return this.#trialsOf(typeUrl).has(name)
  }

  /** Notes refusals and puts the good versions back. Returns those that are in use and on trial no more: their update was accepted before. */
  refuse(refusals: Refusal[]): Refusal[] {
    return refusals.filter((refusal) => {
      const { typeUrl, name, version } = refusal
      const trial = this.#trialsOf(typeUrl).get(name)
      if (trial) (trial.refused ??= new Map()).set(version, refusal)
      const used = this.#cache.get(typeUrl, name)?.version === version
      if (used) this.#cache.apply(trial?.good ? { changed: [trial.good], removed: [] } : { changed: [], removed: [{ typeUrl, name }] })
      return used && !trial
    })
  }

  /** Ends the trial of resources that Envoy has had time to answer. Returns those that it refused. */
  settle(resources: Resource[]): Refusal[] {
    const found: Refusal[] = []
    const goesOn = new Set<Trial>()
    // Of one that is there twice the last counts.
    for (const resource of resources.toReversed()) {
      const { typeUrl, name, version } = resource
      const trials = this.#trialsOf(typeUrl)
      const trial = trials.get(name)
      if (!trial || goesOn.has(trial)) continue
      const refusal = trial.refused?.get(version)
      const current = this.#cache.get(typeUrl, name)
      if (refusal) found.push(refusal)
      else trial.good = resource
      if (!current || current.version === trial.good?.version) trials.delete(name)
      else goesOn.add(trial)
    }
    return found
  }

  #trialsOf(typeUrl: string): Map<string, Trial> {
    let trials = this.#trials.get(typeUrl)
    if (!trials) this.#trials.set(typeUrl, (trials = new Map()))
    return trials
  }
}
