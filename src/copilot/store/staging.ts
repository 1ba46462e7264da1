import { rmSync } from 'node:fs'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { StoredRecord } from './store.ts'

/**
 * What a full sync has sent so far: a scratch database beside the store, so that memory stays bounded and the store is
 * not touched before the commit. It need not survive anything, hence neither journal nor fsync.
 */
export class Staging {
  readonly file: string
  readonly source: string
  readonly epoch: string
  readonly #database: DatabaseSync
  readonly #insert: StatementSync

  constructor(file: string, source: string, epoch: string) {
    this.file = file
    this.source = source
    this.epoch = epoch
    this.#database = new DatabaseSync(file)
    this.#database.exec(`pragma journal_mode = off; pragma synchronous = off; pragma cache_size = -16000;
      create table records (id integer primary key, kind text, key text, value text)`)
    this.#insert = this.#database.prepare('insert into records (kind, key, value) values (?, ?, ?)')
  }

  add(records: StoredRecord[]): void {
    this.#database.exec('begin')
    for (const { kind, key, value } of records) this.#insert.run(kind, key, value)
    this.#database.exec('commit')
  }

  /** Makes it ready to be attached. An index made at once costs a quarter of one kept all along; of a record sent twice the last counts. */
  seal(): void {
    this.#database.exec(`
      create index records_by_key on records (kind, key, id);
      delete from records where id in (
        select earlier.id from records earlier join records later on later.kind = earlier.kind and later.key = earlier.key and later.id > earlier.id
      )`)
    this.close()
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close()
  }

  remove(): void {
    this.close()
    rmSync(this.file, { force: true })
  }
}
