import { randomUUID } from 'node:crypto'

/** What every row has. */
export interface Row {
  guid: string
  /** Order of creation over all tables. */
  seq: number
  /** Milliseconds since 1970. */
  createdAt: number
  updatedAt: number
}

/** A row without what the table itself sets. */
export type Fresh<R extends Row> = Omit<R, keyof Row> & Partial<Pick<R, 'guid' | 'createdAt' | 'updatedAt'>>

/** The values by which an index finds a row. */
export type Keys<R> = (row: R) => string | readonly string[] | undefined

/** Told of every change, so that it can be written, undone and followed. */
export interface Journal {
  nextSeq(): number
  record(before: Row | undefined, after: Row | undefined): void
}

/** Rows in memory, by guid and by declared indices, in the order of creation. Rows are never changed in place. */
export class Table<R extends Row, I extends string = string> {
  readonly kind: string
  readonly #journal: Journal
  readonly #rows = new Map<string, R>()
  readonly #keys: Record<I, Keys<R>>
  readonly #indices: Record<I, Index>

  constructor(kind: string, journal: Journal, keys: Record<I, Keys<R>>) {
    this.kind = kind
    this.#journal = journal
    this.#keys = keys
    this.#indices = Object.fromEntries(Object.keys(keys).map((name) => [name, new Index()])) as Record<I, Index>
  }

  get size(): number {
    return this.#rows.size
  }

  get(guid: string | null | undefined): R | undefined {
    return guid ? this.#rows.get(guid) : undefined
  }

  values(): MapIterator<R> {
    return this.#rows.values()
  }

  /** The rows that `index` has under `key`. */
  by(index: I, key: string): R[] {
    return this.#indices[index].get(key).map((guid) => this.#rows.get(guid)!)
  }

  first(index: I, key: string): R | undefined {
    const [guid] = this.#indices[index].get(key)
    return this.get(guid)
  }

  count(index: I, key: string): number {
    return this.#indices[index].size(key)
  }

  keysOf(index: I, row: R): readonly string[] {
    return many(this.#keys[index](row))
  }

  hasIndex(name: string): name is I {
    return Object.hasOwn(this.#keys, name)
  }

  insert(fresh: Fresh<R>): R {
    const now = Date.now()
    const row = { guid: randomUUID(), createdAt: now, updatedAt: now, ...fresh, seq: this.#journal.nextSeq() } as unknown as R
    this.#replace(undefined, row)
    return row
  }

  /** Replaces fields of a row. `touch: false` leaves `updatedAt`. */
  update(guid: string, changes: Partial<Omit<R, keyof Row>>, { touch = true } = {}): R {
    const before = this.#rows.get(guid)
    if (!before) throw new Error(`${this.kind} ${guid} is gone`)
    const after = { ...before, ...changes, updatedAt: touch ? Date.now() : before.updatedAt }
    this.#replace(before, after)
    return after
  }

  remove(guid: string): void {
    const before = this.#rows.get(guid)
    if (before) this.#replace(before, undefined)
  }

  /** Puts a row as it is, without telling the journal: for loading and undoing. */
  restore(before: R | undefined, after: R | undefined): void {
    for (const name of Object.keys(this.#keys) as I[]) {
      const was = before ? many(this.#keys[name](before)) : []
      const is = after ? many(this.#keys[name](after)) : []
      for (const key of was) if (!is.includes(key)) this.#indices[name].delete(key, before!.guid)
      for (const key of is) if (!was.includes(key)) this.#indices[name].add(key, after!.guid)
    }
    if (after) this.#rows.set(after.guid, after)
    else if (before) this.#rows.delete(before.guid)
  }

  #replace(before: R | undefined, after: R | undefined): void {
    this.#journal.record(before, after)
    this.restore(before, after)
  }
}

function many(keys: string | readonly string[] | undefined): readonly string[] {
  return keys === undefined ? [] : typeof keys === 'string' ? [keys] : keys
}

/** Guids by key; most keys have one, which is kept bare. */
class Index {
  readonly #entries = new Map<string, string | Set<string>>()

  get(key: string): string[] {
    const entry = this.#entries.get(key)
    return entry === undefined ? [] : typeof entry === 'string' ? [entry] : [...entry]
  }

  size(key: string): number {
    const entry = this.#entries.get(key)
    return entry === undefined ? 0 : typeof entry === 'string' ? 1 : entry.size
  }

  add(key: string, guid: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) this.#entries.set(key, guid)
    else if (typeof entry === 'string') this.#entries.set(key, new Set([entry, guid]))
    else entry.add(guid)
  }

  delete(key: string, guid: string): void {
    const entry = this.#entries.get(key)
    if (entry === guid) this.#entries.delete(key)
    else if (typeof entry === 'object' && entry.delete(guid) && entry.size === 0) this.#entries.delete(key)
  }
}
