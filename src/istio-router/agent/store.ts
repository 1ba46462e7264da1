import { chmodSync, closeSync, mkdirSync, openSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { create } from '@bufbuild/protobuf'
import { AnySchema } from '@bufbuild/protobuf/wkt'
import type { Logger } from '../../common/log.ts'
import { messageOf } from '../../common/problem.ts'
import { typeUrls, type Resource, type ResourceUpdate } from '../../common/xds/resources.ts'

const schema = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  CREATE TABLE IF NOT EXISTS resource (type TEXT, name TEXT, version TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (type, name)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS confirmed (one INTEGER PRIMARY KEY CHECK (one = 1), at INTEGER NOT NULL);
`

/** The last good resources on disk, one row each, so that a change writes only what changes. Never holds a secret; readable by its owner only. */
export class ResourceStore {
  readonly #database: DatabaseSync
  readonly #put: StatementSync
  readonly #delete: StatementSync
  readonly #confirm: StatementSync

  /** Opens the store in `folder`. One that cannot be read is put aside as `resources.db.broken`, and an empty one takes its place. */
  static open(folder: string, log: Logger): ResourceStore {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const file = join(folder, 'resources.db')
    try {
      return new ResourceStore(file)
    } catch (error) {
      log.error({ file, reason: messageOf(error) }, 'the last good configuration on disk is broken; starting without it')
      for (const suffix of ['-wal', '-shm']) rmSync(file + suffix, { force: true })
      renameSync(file, `${file}.broken`)
      return new ResourceStore(file)
    }
  }

  private constructor(file: string) {
    closeSync(openSync(file, 'a', 0o600))
    chmodSync(file, 0o600)
    this.#database = new DatabaseSync(file)
    try {
      this.#database.exec(schema)
      const [check] = this.#database.prepare('PRAGMA quick_check(1)').all()
      if (check?.['quick_check'] !== 'ok') throw new Error(String(check?.['quick_check']))
    } catch (error) {
      this.#database.close()
      throw error
    }
    this.#put = this.#database.prepare('INSERT INTO resource VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET version = excluded.version, value = excluded.value')
    this.#delete = this.#database.prepare('DELETE FROM resource WHERE type = ? AND name = ?')
    this.#confirm = this.#database.prepare('INSERT INTO confirmed VALUES (1, ?) ON CONFLICT DO UPDATE SET at = excluded.at')
  }

  /** Everything that is stored. */
  load(): Resource[] {
    return this.#database
      .prepare('SELECT type, name, version, value FROM resource')
      .all()
      .map((row) => {
        const { type, name, version, value } = row as { type: string; name: string; version: string; value: Uint8Array<ArrayBuffer> }
        return { typeUrl: type, name, version, any: create(AnySchema, { typeUrl: type, value }) }
      })
  }

  /** The bytes of one resource. */
  get(typeUrl: string, name: string): Uint8Array | undefined {
    return this.#database.prepare('SELECT value FROM resource WHERE type = ? AND name = ?').get(typeUrl, name)?.['value'] as Uint8Array | undefined
  }

  /** Writes an update as one transaction. */
  write({ changed, removed }: ResourceUpdate): void {
    this.#database.exec('BEGIN')
    try {
      for (const { typeUrl, name, version, any } of changed) if (typeUrl !== typeUrls.secret) this.#put.run(typeUrl, name, version, any.value)
      for (const { typeUrl, name } of removed) this.#delete.run(typeUrl, name)
      this.#database.exec('COMMIT')
    } catch (error) {
      this.#database.exec('ROLLBACK')
      throw error
    }
  }

  /** Notes that what is stored was pilot's word at that moment. */
  confirm(at: Date): void {
    this.#confirm.run(at.getTime())
  }

  /** When that last was so; undefined if it never was. */
  confirmedAt(): Date | undefined {
    const row = this.#database.prepare('SELECT at FROM confirmed').get()
    return row ? new Date(Number(row['at'])) : undefined
  }

  close(): void {
    this.#database.close()
  }
}
