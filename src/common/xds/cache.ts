import type { Resource, ResourceUpdate } from './resources.ts'

type Watcher = (update: ResourceUpdate) => void

/** Resources by type and name, as everybody is to have them. A change costs what it changes, never what is there. */
export class ResourceCache {
  readonly #types = new Map<string, Map<string, Resource>>()
  readonly #watchers = new Set<Watcher>()

  get(typeUrl: string, name: string): Resource | undefined {
    return this.#types.get(typeUrl)?.get(name)
  }

  all(typeUrl: string): ReadonlyMap<string, Resource> {
    return this.#type(typeUrl)
  }

  /** The number of resources of each type. */
  sizes(): Record<string, number> {
    return Object.fromEntries([...this.#types].map(([typeUrl, resources]) => [typeUrl, resources.size]))
  }

  /** Applies an update as one step and tells the watchers, in one call, what of it really changes something. */
  apply(update: ResourceUpdate): void {
    const effect: ResourceUpdate = { changed: [], removed: [] }
    for (const resource of update.changed) {
      const resources = this.#type(resource.typeUrl)
      if (resources.get(resource.name)?.version === resource.version) continue
      resources.set(resource.name, resource)
      effect.changed.push(resource)
    }
    for (const removed of update.removed) {
      if (this.#types.get(removed.typeUrl)?.delete(removed.name)) effect.removed.push(removed)
    }
    if (effect.changed.length || effect.removed.length) for (const watcher of this.#watchers) watcher(effect)
  }

  /** Calls `watcher` with every change from now on; returns a function that ends it. */
  watch(watcher: Watcher): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  #type(typeUrl: string): Map<string, Resource> {
    let resources = this.#types.get(typeUrl)
    if (!resources) this.#types.set(typeUrl, (resources = new Map()))
    return resources
  }
}
