import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { problem } from '../../common/problem.ts'

/** One row to be written, or removed where `value` is null. */
export interface Write {
  /** Identifies the row, and grows with creation, so that new rows are appended. */
  seq: number
  kind: string
  value: object | null
}

export const StateForeign = problem(
  'MESH_FOUNDATION_STATE_FOREIGN',
  500,
  (file: string) => `${file} was written by another version of the foundation: begin with an empty data folder`,
)

/** Changes with the meaning of what is written. */
const format = 1

/** The foundation's file: one SQLite table of JSON rows, written in transactions. */
export class Database {
  readonly #db: DatabaseSync
  readonly #put: StatementSync
  readonly #delete: StatementSync

  /** Opens or creates `file`; `:memory:` keeps nothing. */
  constructor(file: string) {
    if (file !== ':memory:') mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    this.#db = new DatabaseSync(file)
    const { user_version: version } = this.#db.prepare('PRAGMA user_version').get() as { user_version: number }
    const { tables } = this.#db.prepare('SELECT count(*) AS tables FROM sqlite_schema').get() as { tables: number }
    if (tables && version !== format) throw StateForeign(file)
    this.#db.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = NORMAL;
      PRAGMA busy_timeout = 5000;
      PRAGMA user_version = ${format};
      CREATE TABLE IF NOT EXISTS rows (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, value TEXT NOT NULL);
    `)
    this.#put = this.#db.prepare(
      'INSERT INTO rows (seq, kind, value) VALUES (?, ?, ?) ON CONFLICT (seq) DO UPDATE SET value = excluded.value',
    )
    this.#delete = this.#db.prepare('DELETE FROM rows WHERE seq = ?')
  }

  /** Every row, in the order of creation. */
  *read(): Generator<{ kind: string; value: unknown }> {
    for (const { kind, value } of this.#db.prepare('SELECT kind, value FROM rows ORDER BY seq').iterate()) {
      yield { kind: kind as string, value: JSON.parse(value as string) }
    }
  }

  /** Writes all or nothing. */
  write(writes: Iterable<Write>): void {
    this.#db.exec('BEGIN IMMEDIATE')
    try {
      for (const { seq, kind, value } of writes) {
        if (value) this.#put.run(seq, kind, JSON.stringify(value))
        else this.#delete.run(seq)
      }
      this.#db.exec('COMMIT')
    } catch (error) {
      this.#db.exec('ROLLBACK')
      throw error
    }
  }

  close(): void {
    this.#db.close()
  }
}
