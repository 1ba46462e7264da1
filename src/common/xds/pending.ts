/** One step of the cache's history. */
export interface Epoch {
  readonly number: number
  /** When it happened, milliseconds of `performance.now`. */
  readonly at: number
}

/** The older of two epochs, either of which may be absent. */
export function older(one: Epoch | undefined, other: Epoch | undefined): Epoch | undefined {
  return one && other ? (one.number <= other.number ? one : other) : (one ?? other)
}

/** Names that wait to be sent, oldest change first, each once: a newer change of a name takes the older one's place, at the end. */
export class Pending {
  readonly #epochs = new Map<string, Epoch>()

  get size(): number {
    return this.#epochs.size
  }

  add(name: string, epoch: Epoch): void {
    this.#epochs.delete(name)
    this.#epochs.set(name, epoch)
  }

  has(name: string): boolean {
    return this.#epochs.has(name)
  }

  delete(name: string): void {
    this.#epochs.delete(name)
  }

  oldest(): Epoch | undefined {
    for (const epoch of this.#epochs.values()) return epoch
    return undefined
  }

  /** Takes the oldest names, at least one and until they weigh more than `limit` together, but none whose epoch is `end` or later. */
  take(limit: number, end: number, weigh: (name: string) => number): string[] {
    const names: string[] = []
    let weight = 0
    for (const [name, { number }] of this.#epochs) {
      if (number >= end) break
      weight += weigh(name)
      if (names.length && weight > limit) break
      names.push(name)
    }
    for (const name of names) this.#epochs.delete(name)
    return names
  }
}
