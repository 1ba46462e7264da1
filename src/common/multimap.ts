const none: readonly string[] = []

/** Sets of strings by key. Most keys have one value, which then needs no set of its own: at 100,000 routes that counts. */
export class Multimap {
  readonly #values = new Map<string, string | Set<string>>()

  get(key: string): Iterable<string> {
    const values = this.#values.get(key)
    return values === undefined ? none : typeof values === 'string' ? [values] : values
  }

  /** The number of keys. */
  get size(): number {
    return this.#values.size
  }

  has(key: string): boolean {
    return this.#values.has(key)
  }

  keys(): IterableIterator<string> {
    return this.#values.keys()
  }

  add(key: string, value: string): void {
    const values = this.#values.get(key)
    if (values === undefined) this.#values.set(key, value)
    else if (typeof values !== 'string') values.add(value)
    else if (values !== value) this.#values.set(key, new Set([values, value]))
  }

  delete(key: string, value: string): void {
    const values = this.#values.get(key)
    if (values === value) this.#values.delete(key)
    else if (typeof values === 'object' && values.delete(value) && values.size === 0) this.#values.delete(key)
  }
}
