import { chmodSync, closeSync, mkdirSync, openSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { zstdDecompressSync } from 'node:zlib'
import { create } from '@bufbuild/protobuf'
import { AnySchema } from '@bufbuild/protobuf/wkt'
import type { Logger } from '../../common/log.ts'
import { messageOf } from '../../common/problem.ts'
import { typeUrls, type Resource, type ResourceUpdate } from '../../common/xds/resources.ts'
import { compress } from '../../common/zstd.ts'

const schema = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  CREATE TABLE IF NOT EXISTS resource (type TEXT, name TEXT, version TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (type, name));
  CREATE TABLE IF NOT EXISTS confirmed (one INTEGER PRIMARY KEY CHECK (one = 1), at INTEGER NOT NULL);
`

/** Bytes of a page. What is longer is kept compressed (Zstandard, RFC 8878): route configurations, whose hosts are much alike. */
const page = 4096
/** How a Zstandard frame begins; messages begin with their name, 0x0a. */
const magic = Buffer.from([0x28, 0xb5, 0x2f, 0xfd])

type Bytes = Uint8Array<ArrayBuffer>
const packed = (value: Uint8Array): Uint8Array => (value.length > page ? compress(value) : value)
const unpacked = (value: Bytes): Bytes => (magic.equals(value.subarray(0, magic.length)) ? zstdDecompressSync(value) : value)

/** Milliseconds until what could not be written is tried again. */
const tryAgainAfter = 5_000

/**
 * The last good resources on disk, one row each, so that a change writes only what changes. Never holds a secret; readable by its owner
 * only. What is written is there before pilot hears that it was taken, so a router that is killed starts with what it had; this costs some
 * 30 µs and 8 KB an update.
 */
export class ResourceStore {
  readonly #database: DatabaseSync
  readonly #log: Logger
  /** By type and name; undefined for one that is removed. */
  readonly #waiting = new Map<string, { typeUrl: string; name: string; resource: Resource | undefined }>()
  #confirmedAt: Date | undefined
  #timer: NodeJS.Timeout | undefined
  readonly #put: StatementSync
  readonly #delete: StatementSync
  readonly #confirm: StatementSync

  /** Opens the store in `folder`. One that cannot be read is put aside as `resources.db.broken`, and an empty one takes its place. */
  static open(folder: string, log: Logger): ResourceStore {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const file = join(folder, 'resources.db')
    try {
      return new ResourceStore(file, log)
    } catch (error) {
      log.error({ file, reason: messageOf(error) }, 'the last good configuration on disk is broken; starting without it')
      for (const suffix of ['-wal', '-shm']) rmSync(file + suffix, { force: true })
      renameSync(file, `${file}.broken`)
      return new ResourceStore(file, log)
    }
  }

  private constructor(file: string, log: Logger) {
    this.#log = log
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
    this.#put = this.#database.prepare(
      'INSERT INTO resource VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET version = excluded.version, value = excluded.value',
    )
    this.#delete = this.#database.prepare('DELETE FROM resource WHERE type = ? AND name = ?')
    this.#confirm = this.#database.prepare('INSERT INTO confirmed VALUES (1, ?) ON CONFLICT DO UPDATE SET at = excluded.at')
  }

  /** Everything that is stored. */
  load(): Resource[] {
    return this.#database
      .prepare('SELECT type, name, version, value FROM resource')
      .all()
      .map((row) => {
        const { type, name, version, value } = row as { type: string; name: string; version: string; value: Bytes }
        return { typeUrl: type, name, version, any: create(AnySchema, { typeUrl: type, value: unpacked(value) }) }
      })
  }

  /** The bytes of one resource. */
  get(typeUrl: string, name: string): Uint8Array | undefined {
    const waiting = this.#waiting.get(keyOf({ typeUrl, name }))
    if (waiting) return waiting.resource?.any.value
    const row = this.#database.prepare('SELECT value FROM resource WHERE type = ? AND name = ?').get(typeUrl, name)
    return row && unpacked(row['value'] as Bytes)
  }

  /** Writes an update; what cannot be written now is tried again. */
  write({ changed, removed }: ResourceUpdate): void {
    for (const resource of changed) if (resource.typeUrl !== typeUrls.secret) this.#wait(resource, resource)
    for (const gone of removed) this.#wait(gone, undefined)
    this.flush()
  }

  /** Notes that what is stored was pilot's word at that moment; it is written with the next update. */
  confirm(at: Date): void {
    this.#confirmedAt = at
  }

  /** Writes what waits, as one transaction; not before it is time to try again. */
  flush(): void {
    if (this.#timer || !(this.#waiting.size || this.#confirmedAt)) return
    try {
      this.#transact()
      this.#waiting.clear()
      this.#confirmedAt = undefined
    } catch (error) {
      this.#log.error({ reason: messageOf(error) }, 'the configuration cannot be kept on disk; it is tried again')
      this.#timer = setTimeout(() => {
        this.#timer = undefined
        this.flush()
      }, tryAgainAfter)
    }
  }

  #transact(): void {
    this.#database.exec('BEGIN')
    try {
      for (const { typeUrl, name, resource } of this.#waiting.values()) {
        if (resource) this.#put.run(typeUrl, name, resource.version, packed(resource.any.value))
        else this.#delete.run(typeUrl, name)
      }
      if (this.#confirmedAt) this.#confirm.run(this.#confirmedAt.getTime())
      this.#database.exec('COMMIT')
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
      throw error
    }
  }

  /** When what is stored was pilot's word; undefined if it never was. */
  confirmedAt(): Date | undefined {
    const row = this.#database.prepare('SELECT at FROM confirmed').get()
    return row ? new Date(Number(row['at'])) : undefined
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.flush()
    clearTimeout(this.#timer)
    this.#database.close()
  }

  #wait({ typeUrl, name }: { typeUrl: string; name: string }, resource: Resource | undefined): void {
    this.#waiting.set(keyOf({ typeUrl, name }), { typeUrl, name, resource })
  }
}

const keyOf = ({ typeUrl, name }: { typeUrl: string; name: string }): string => `${typeUrl} ${name}`
