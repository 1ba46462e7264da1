/** A relation from one name to many. Most names lead to one only, which costs no set. */
export class Relation {
  readonly #sets = new Map<string, string | Set<string>>()

  of(from: string): Iterable<string> {
    const to = this.#sets.get(from)
    if (to === undefined) return []
    return typeof to === 'string' ? [to] : to
  }

  has(from: string): boolean {
    return this.#sets.has(from)
  }

  add(from: string, to: string): void {
    const before = this.#sets.get(from)
    if (before === undefined) this.#sets.set(from, to)
    else if (typeof before !== 'string') before.add(to)
    else if (before !== to) this.#sets.set(from, new Set([before, to]))
  }

  remove(from: string, to: string): void {
    const before = this.#sets.get(from)
    if (before === to) this.#sets.delete(from)
    if (before === undefined || typeof before === 'string') return
    if (before.delete(to) && before.size === 0) this.#sets.delete(from)
  }
}
