export interface Watcher {
  /** Address of the other end. */
  peer: string
  /** When it came, milliseconds since 1970. */
  since: number
  /** The last revision that it was sent. */
  revision: number
}

/** The watches under way. */
export class Watchers {
  readonly #watchers = new Set<Watcher>()
  readonly #end = new AbortController()

  /** Aborts when all of them are to end. */
  get signal(): AbortSignal {
    return this.#end.signal
  }

  add(peer: string): Watcher {
    const watcher = { peer, since: Date.now(), revision: 0 }
    this.#watchers.add(watcher)
    return watcher
  }

  remove(watcher: Watcher): void {
    this.#watchers.delete(watcher)
  }

  list(): Watcher[] {
    return [...this.#watchers]
  }

  end(): void {
    this.#end.abort()
  }
}
