const nothing: ReadonlySet<string> = new Set()

/** A relation from one name to many. */
export class Relation {
  readonly #sets = new Map<string, Set<string>>()

  of(from: string): ReadonlySet<string> {
    return this.#sets.get(from) ?? nothing
  }

  add(from: string, to: string): void {
    const set = this.#sets.get(from)
    if (set) set.add(to)
    else this.#sets.set(from, new Set([to]))
  }

  remove(from: string, to: string): void {
    const set = this.#sets.get(from)
    if (set?.delete(to) && set.size === 0) this.#sets.delete(from)
  }
}
