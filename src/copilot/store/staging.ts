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
      create table records (kind text, key text, value text, primary key (kind, key))`)
    this.#insert = this.#database.prepare('insert into records values (?, ?, ?) on conflict (kind, key) do update set value = excluded.value')
  }

  add(records: StoredRecord[]): void {
    this.#database.exec('begin')
    for (const { kind, key, value } of records) this.#insert.run(kind, key, value)
    this.#database.exec('commit')
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close()
  }

  remove(): void {
    this.close()
    rmSync(this.file, { force: true })
  }
}
