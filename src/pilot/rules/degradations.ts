/** What cannot be served of resources, by their keys, as each unit of output found it the last time that it was made. */
export class Degradations {
  readonly #byUnit = new Map<string, Map<string, string[]>>()
  readonly #byKey = new Map<string, Map<string, string[]>>()
  readonly #touched = new Set<string>()

  /** The keys of which something else may be said since this was asked for the last time. */
  touched(): string[] {
    const keys = [...this.#touched]
    this.#touched.clear()
    return keys
  }

  /** Puts what `unit` finds now in place of what it found before. */
  set(unit: string, found: { key: string; reason: string }[]): void {
    const before = this.#byUnit.get(unit)
    if (!before && !found.length) return
    for (const key of before?.keys() ?? []) {
      this.#touched.add(key)
      const reasons = this.#byKey.get(key)
      reasons?.delete(unit)
      if (reasons?.size === 0) this.#byKey.delete(key)
    }
    this.#byUnit.delete(unit)
    if (!found.length) return
    const now = Map.groupBy(found, ({ key }) => key)
    const reasons = new Map([...now].map(([key, list]) => [key, list.map(({ reason }) => reason)]))
    this.#byUnit.set(unit, reasons)
    for (const key of reasons.keys()) this.#touched.add(key)
    for (const [key, list] of reasons) this.#byKey.set(key, (this.#byKey.get(key) ?? new Map<string, string[]>()).set(unit, list))
  }

  /** Everything that is said of a resource, each once. */
  of(key: string): string[] {
    return [...new Set([...(this.#byKey.get(key)?.values() ?? [])].flat())]
  }

  keys(): Iterable<string> {
    return this.#byKey.keys()
  }
}
