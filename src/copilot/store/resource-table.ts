import type { DatabaseSync } from 'node:sqlite'
import type { Resource } from '../../mesh/istio/types.ts'
import { TooManyResources, VersionConflict } from '../problems.ts'
import { canonical } from '../records.ts'
import { versionsKept, type ResourceChange, type ResourceOutcome } from './store.ts'

/** Changes of resources after which a deletion is forgotten. */
const deletionsKept = 10_000

/** What people apply, within one transaction of the writer. */
export class ResourceTable {
  readonly #database: DatabaseSync
  readonly #author: string

  constructor(database: DatabaseSync, author: string) {
    this.#database = database
    this.#author = author
  }

  /**
   * Makes one change. The generation grows with the spec; a change of labels alone is one, too, but keeps it. Throws
   * `MESH_VERSION_CONFLICT`.
   */
  apply({ key, namespace, value, expected }: ResourceChange): ResourceOutcome {
    const row = this.#get<{ value: string | null; version: number; generation: number }>(
      'select value, version, generation from resources where key = ?',
      key,
    )
    const before = row?.value ?? undefined
    const found = before === undefined ? 0 : row!.version
    if (expected !== undefined && expected !== found) throw VersionConflict(key, expected, found)
    if (value === null) {
      if (before === undefined) return { key, outcome: 'unchanged', version: row?.version ?? 0 }
      return { key, outcome: 'deleted', version: this.#write(key, namespace, null, row!.generation), before }
    }
    const old = before === undefined ? undefined : (JSON.parse(before) as Resource)
    const wanted = JSON.parse(value) as Resource
    const same = old !== undefined && canonical(old.spec) === canonical(wanted.spec)
    const generation = same ? old.metadata.generation : (row?.generation ?? 0) + 1
    const after = canonical({
      ...wanted,
      metadata: { ...wanted.metadata, generation, createdAt: old?.metadata.createdAt ?? new Date().toISOString() },
    })
    if (after === before) return { key, outcome: 'unchanged', version: row!.version, before, after }
    if (!same) this.#keep(key, generation, after)
    return {
      key,
      outcome: before === undefined ? 'created' : 'configured',
      version: this.#write(key, namespace, after, generation),
      ...(before !== undefined && { before }),
      after,
    }
  }

  /** The resources of a namespace. */
  all(namespace: string): { key: string; value: string }[] {
    return this.#database
      .prepare('select key, value from resources where namespace = ? and value is not null order by key')
      .all(namespace) as { key: string; value: string }[]
  }

  /** Throws `MESH_TOO_MANY_RESOURCES`. */
  refuseTooMany(namespace: string, most: number): void {
    const { n } = this.#get<{ n: number }>('select count(*) as n from resources where namespace = ? and value is not null', namespace)!
    if (n > most) throw TooManyResources(namespace, n, most)
  }

  #write(key: string, namespace: string, value: string | null, generation: number): number {
    const { version } = this.#get<{ version: number }>(
      `update counters set value = value + 1 where name = 'resources' returning value as version`,
    )!
    this.#database
      .prepare(
        `insert into resources (key, namespace, value, version, generation) values (?, ?, ?, ?, ?)
         on conflict (key) do update set value = excluded.value, version = excluded.version, generation = excluded.generation`,
      )
      .run(key, namespace, value, version, generation)
    if (value === null) this.#forget(version - deletionsKept)
    return version
  }

  /** Forgets deletions up to a version, with what was kept of the resources; a watcher that has not seen them must list anew. */
  #forget(upTo: number): void {
    const gone = this.#database.prepare('delete from resources where value is null and version <= ? returning key').all(upTo) as {
      key: string
    }[]
    if (!gone.length) return
    for (const { key } of gone) this.#database.prepare('delete from versions where key = ?').run(key)
    this.#database.prepare(`update counters set value = ? where name = 'forgotten'`).run(upTo)
  }

  #keep(key: string, generation: number, value: string): void {
    this.#database
      .prepare('insert into versions (key, generation, value, author, at) values (?, ?, ?, ?, ?)')
      .run(key, generation, value, this.#author, Date.now())
    this.#database.prepare('delete from versions where key = ? and generation <= ?').run(key, generation - versionsKept)
  }

  #get<Row>(sql: string, ...values: string[]): Row | undefined {
    return this.#database.prepare(sql).get(...values) as Row | undefined
  }
}
