import { Multimap } from '../../common/multimap.ts'
import type { Kind, Records } from '../../mesh/records.ts'
import type { Source } from '../../mesh/rules/source.ts'
import { fact, nameText, recordName, type Name } from '../../mesh/rules/names.ts'

/** Knows which unit of output read which part of the model, so that a change leads to the units that it can alter, and to no other. */
export class Tracker {
  readonly #model: Source
  readonly #readers = new Multimap()
  readonly #reads = new Map<string, Set<string>>()

  constructor(model: Source) {
    this.#model = model
  }

  /** Runs `compute` with a view of the model, and remembers what it reads as what `unit` depends on from now on. */
  run<Result>(unit: string, compute: (view: Source) => Result): Result {
    const read = new Set<string>()
    try {
      return compute(new View(this.#model, read))
    } finally {
      const before = this.#reads.get(unit)
      for (const name of before ?? []) if (!read.has(name)) this.#readers.delete(name, unit)
      for (const name of read) if (!before?.has(name)) this.#readers.add(name, unit)
      this.#reads.set(unit, read)
    }
  }

  /** Forgets a unit that is no more. */
  forget(unit: string): void {
    for (const name of this.#reads.get(unit) ?? []) this.#readers.delete(name, unit)
    this.#reads.delete(unit)
  }

  /** Whether anything depends on a name. */
  isRead(name: string): boolean {
    return this.#readers.size > 0 && this.#readers.has(name)
  }

  /** The units that read one of `names`. */
  *readers(names: Iterable<string>): Generator<string> {
    for (const name of names) yield* this.#readers.get(name)
  }
}

class View implements Source {
  readonly #model: Source
  readonly #read: Set<string>

  constructor(model: Source, read: Set<string>) {
    this.#model = model
    this.#read = read
  }

  get<K extends Kind>(kind: K, key: string): Records[K] | undefined {
    // An instance is found by its process, which tells of its changes.
    if (kind !== 'instance') this.#read.add(recordName(kind, key))
    return this.#model.get(kind, key)
  }

  addressesOf(host: string): readonly string[] | undefined {
    this.#read.add(fact.address(host))
    return this.#model.addressesOf(host)
  }

  exceeds(wildcard: string, host?: string): boolean {
    this.#read.add(host === undefined ? fact.crowded(wildcard) : fact.beyond(host))
    return this.#model.exceeds(wildcard, host)
  }

  keysOf(name: Name): Iterable<string> {
    this.#read.add(nameText(name))
    return this.#model.keysOf(name)
  }
}
