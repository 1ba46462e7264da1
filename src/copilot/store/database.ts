import { closeSync, mkdirSync, openSync, readdirSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { messageOf, Problem } from '../../common/problem.ts'
import { StoreFailed, StoreFull, StoreInUse, StoreUnusable } from '../problems.ts'
import { migrate } from './migrations.ts'

/** `mesh` in ASCII: SQLite's mark of which program a file belongs to. */
const applicationId = 0x6d657368
/** SQLite's result codes (sqlite.org/rescode.html). */
const codes = { busy: 5, full: 13 }

/**
 * Opens the database for its one writer, makes it where it is absent, and brings it to the newest schema. A file that is
 * damaged or another's is left as it is. Throws `MESH_STORE_UNUSABLE`, `MESH_STORE_TOO_NEW`.
 */
export function openDatabase(file: string, maxMegabytes?: number): DatabaseSync {
  let database: DatabaseSync | undefined
  try {
    closeSync(openSync(file, 'a', 0o600))
    database = new DatabaseSync(file, { timeout: 5000 })
    identify(database, file)
    // An answer means that the change survives a power failure: watchers rely on revisions never being taken back.
    database.exec(
      `pragma journal_mode = wal; pragma synchronous = full; pragma cache_size = -32000; pragma journal_size_limit = ${64 * 2 ** 20}`,
    )
    if (maxMegabytes) database.exec(`pragma max_page_count = ${maxMegabytes * 256}`)
    migrate(database, file)
    return database
  } catch (error) {
    database?.close()
    throw error instanceof Problem ? error : StoreUnusable(file, messageOf(error))
  }
}

function identify(database: DatabaseSync, file: string): void {
  const [check] = database.prepare('pragma quick_check(1)').all() as [{ quick_check: string }]
  if (check.quick_check !== 'ok') throw StoreUnusable(file, check.quick_check)
  const { application_id: found } = database.prepare('pragma application_id').get() as { application_id: number }
  if (found === applicationId) return
  const { n: tables } = database.prepare('select count(*) as n from sqlite_schema').get() as { n: number }
  if (tables || found) throw StoreUnusable(file, 'it belongs to another program')
  database.exec(`pragma application_id = ${applicationId}`)
}

/** Keeps other processes from writing the same store while this one lives. Throws `MESH_STORE_IN_USE`. */
export function lockStore(file: string): DatabaseSync {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const lock = new DatabaseSync(`${file}-lock`)
  try {
    lock.exec('begin exclusive')
    return lock
  } catch (error) {
    lock.close()
    throw (error as { errcode?: number }).errcode === codes.busy ? StoreInUse(file) : error
  }
}

export const stagingFile = (file: string, sync: number): string => `${file}-sync-${sync}`

/** Removes the staging files of a process that was killed. */
export function removeLeftovers(file: string): void {
  for (const name of readdirSync(dirname(file))) {
    if (name.startsWith(`${basename(file)}-sync-`)) rmSync(join(dirname(file), name), { force: true })
  }
}

/** What went wrong in the store, as a problem that a caller can be told. */
export function storeProblem(error: unknown): Problem {
  if (error instanceof Problem) return error
  return (error as { errcode?: number }).errcode === codes.full ? StoreFull(messageOf(error)) : StoreFailed(messageOf(error))
}
