import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { kinds, type Kind } from '../../mesh/records.ts'
import { changesPerRevision, type Filter, type Page, type Revision, type SourceState, type StoredChange, type StoredRecord } from './store.ts'

const anyOf = (field: string): string => `${field} in (select value from json_each(?))`
const conditions: Record<keyof Filter, Partial<Record<Kind, string>>> = {
  keys: Object.fromEntries(kinds.map((kind) => [kind, anyOf('key')])),
  name: { organization: `value ->> '$.name' = ?`, space: `value ->> '$.name' = ?`, app: `value ->> '$.name' = ?` },
  organization: { space: anyOf(`value ->> '$.organization'`) },
  space: { app: anyOf(`value ->> '$.space'`), route: anyOf(`value ->> '$.space'`) },
  app: {
    process: anyOf(`value ->> '$.app'`),
    route: `id in (select route from destinations where ${anyOf('app')})`,
  },
  process: { instance: anyOf(`value ->> '$.process'`) },
  host: { route: `value ->> '$.host' = ?` },
  domain: { route: `'.' || (value ->> '$.host') like '%.' || ? escape '\\'` },
}

/** Everything that is read of a copilot database. */
export class Reader {
  readonly #database: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()

  constructor(file: string) {
    this.#database = new DatabaseSync(file, { readOnly: true, timeout: 5000 })
  }

  close(): void {
    this.#database.close()
  }

  changesAfter(revision: number): Revision[] | undefined {
    const limit = 2 * changesPerRevision
    const rows = this.#all<StoredChange & { revision: number }>('select revision, kind, key, value from records where revision > ? order by revision, id limit ?', revision, limit)
    // Read after the rows: while this holds, no removal was forgotten before they were read.
    const [store] = this.#all<{ revision: number; floor: number }>('select revision, floor from store')
    if (revision < store!.floor || revision > store!.revision) return
    const groups = Map.groupBy(rows, (row) => row.revision)
    // The last revision may go on behind the limit.
    if (rows.length === limit) groups.delete(rows.at(-1)!.revision)
    return [...groups].map(([revision, changes]) => ({ revision, changes: changes.map(({ kind, key, value }) => ({ kind, key, value })) }))
  }

  scan(kind: Kind, of: { upTo: number } | { source: string }, { after, limit }: Required<Page>): StoredRecord[] {
    const [condition, value] = 'source' in of ? ['source = ?', of.source] : ['revision <= ?', of.upTo]
    return this.#all(`select kind, key, value from records where kind = ? and key > ? and ${condition} and value is not null order by key limit ?`, kind, after, value, limit)
  }

  list(kind: Kind, filter: Filter, { after, limit }: Page = {}): { key: string; value: string }[] {
    const where = [`kind = '${kind}'`, 'value is not null']
    const values: (string | number)[] = []
    const add = (condition: string, value: string | number): void => {
      where.push(condition)
      values.push(value)
    }
    for (const [name, value] of Object.entries(filter) as [keyof Filter, string | string[] | undefined][]) {
      if (value === undefined) continue
      const condition = conditions[name][kind]
      if (!condition) throw new Error(`${kind} cannot be filtered by ${name}`)
      add(condition, typeof value === 'string' ? (name === 'domain' ? value.replaceAll(/[\\%_]/g, '\\$&') : value) : JSON.stringify(value))
    }
    if (after !== undefined) add('key > ?', after)
    return this.#all(`select key, value from records where ${where.join(' and ')} order by key limit ?`, ...values, limit ?? -1)
  }

  sources(): SourceState[] {
    return this.#all('select name, epoch, synced_at as syncedAt, changed_at as changedAt from sources order by name')
  }

  #all<Row>(sql: string, ...values: (string | number)[]): Row[] {
    let statement = this.#statements.get(sql)
    if (!statement) this.#statements.set(sql, (statement = this.#database.prepare(sql)))
    return statement.all(...values) as Row[]
  }
}
