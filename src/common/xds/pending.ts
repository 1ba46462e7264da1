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

interface Waiting {
  readonly since: Epoch
  /** Of its newest change. */
  last: Epoch
}

/**
 * Names that wait to be sent, each once, in the order in which they began to wait. A name that changes again while it waits goes on waiting
 * since then, for the client still uses what it had before; and it is not sent before its newest change may be.
 */
export class Pending {
  readonly #names = new Map<string, Waiting>()

  get size(): number {
    return this.#names.size
  }

  add(name: string, epoch: Epoch): void {
    const waiting = this.#names.get(name)
    if (waiting) waiting.last = epoch
    else this.#names.set(name, { since: epoch, last: epoch })
  }

  has(name: string): boolean {
    return this.#names.has(name)
  }

  delete(name: string): void {
    this.#names.delete(name)
  }

  /** Since when the first has waited. */
  oldest(): Epoch | undefined {
    for (const { since } of this.#names.values()) return since
    return undefined
  }

  /**
   * Takes names, at least one and until they weigh more than `limit` together, but none whose newest change is of the epoch `end` or later.
   */
  take(limit: number, end: number, weigh: (name: string) => number): string[] {
    const names: string[] = []
    let weight = 0
    for (const [name, { since, last }] of this.#names) {
      if (since.number >= end) break
      if (last.number >= end) continue
      weight += weigh(name)
      if (names.length && weight > limit) break
      names.push(name)
    }
    for (const name of names) this.#names.delete(name)
    return names
  }
}
