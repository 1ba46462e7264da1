import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { Kind } from '../../mesh/records.ts'
import {
  changesPerRevision,
  type Filter,
  type Page,
  type ResourceEvent,
  type ResourceFilter,
  type ResourceVersion,
  type Revision,
  type SourceState,
  type StoredChange,
  type StoredRecord,
  type StoredResource,
  type StoredSecret,
  type Switch,
} from './store.ts'

/** How one condition of a filter is put: in SQL, and by which index, since SQLite guesses wrong without statistics. */
interface Condition {
  sql: string
  by: string
}

const anyOf = (field: string): string => `${field} in (select value from json_each(?))`
const field = (name: string, by: string): Condition => ({ sql: anyOf(`value ->> '$.${name}'`), by: `indexed by ${by}` })
const keys: Condition = { sql: anyOf('key'), by: '' }

/** What each kind can be filtered by; of several conditions the first has its index used. */
const conditions: Record<Kind, Partial<Record<keyof Filter, Condition>>> = {
  organization: { keys, name: field('name', 'organizations_by_name') },
  space: { keys, name: field('name', 'spaces_by_name'), organization: field('organization', 'spaces_by_organization') },
  app: { keys, name: field('name', 'apps_by_name'), space: field('space', 'apps_by_space') },
  process: { keys, app: field('app', 'processes_by_app') },
  instance: { keys, process: field('process', 'instances_by_process') },
  route: {
    keys,
    host: field('host', 'routes_by_host'),
    app: { sql: `id in (select route from destinations where ${anyOf('app')})`, by: 'not indexed' },
    space: field('space', 'routes_by_space'),
    // Every route's host is looked at.
    domain: {
      sql: `exists (select 1 from json_each(?) domain where '.' || (records.value ->> '$.host') like '%.' || domain.value escape '\\')`,
      by: '',
    },
  },
  resource: { keys },
  secret: { keys },
}

/**
 * Bytes of the file that are read where the kernel caches them. A connection of its own keeps no page over another's
 * commit, so each would be copied again after every change.
 */
const mapped = 2 ** 30

/** Everything that is read of a copilot database. */
export class Reader {
  readonly #database: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()

  constructor(file: string) {
    this.#database = new DatabaseSync(file, { readOnly: true, timeout: 5000 })
    this.#database.exec(`pragma mmap_size = ${mapped}`)
  }

  close(): void {
    this.#database.close()
  }

  changesAfter(revision: number): Revision[] | undefined {
    const limit = 2 * changesPerRevision
    const rows = this.#all<StoredChange & { revision: number }>(
      'select revision, kind, key, value from records where revision > ? order by revision, id limit ?',
      revision,
      limit,
    )
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
    return this.#all(
      `select kind, key, value from records where kind = ? and key > ? and ${condition} and value is not null order by key limit ?`,
      kind,
      after,
      value,
      limit,
    )
  }

  list(kind: Kind, filter: Filter, { after, limit }: Page = {}): { key: string; value: string }[] {
    const unknown = (Object.keys(filter) as (keyof Filter)[]).find((name) => filter[name] !== undefined && !conditions[kind][name])
    if (unknown) throw new Error(`${kind} cannot be filtered by ${unknown}`)

    const chosen = (Object.entries(conditions[kind]) as [keyof Filter, Condition][]).filter(([name]) => filter[name] !== undefined)
    const values = chosen.map(([name]) =>
      JSON.stringify([filter[name]!].flat().map((value) => (name === 'domain' ? escape(value) : value))),
    )
    const where = [
      `kind = '${kind}'`,
      'value is not null',
      ...chosen.map(([, { sql }]) => sql),
      ...(after === undefined ? [] : ['key > ?']),
    ]
    return this.#all(
      `select key, value from records ${chosen[0]?.[1].by ?? ''} where ${where.join(' and ')} order by key limit ?`,
      ...values,
      ...(after === undefined ? [] : [after]),
      limit ?? -1,
    )
  }

  hostBeneath(domain: string | undefined, position: number): string | undefined {
    const host = `value ->> '$.host'`
    const beneath = domain === undefined ? '' : `and ${host} like '%.' || ? escape '\\' and ${host} <> '*.' || ?`
    const [found] = this.#all<{ host: string }>(
      `select distinct ${host} as host from records indexed by routes_by_host where kind = 'route' and value is not null ${beneath} order by host limit 1 offset ?`,
      ...(domain === undefined ? [] : [escape(domain), domain]),
      position,
    )
    return found?.host
  }

  resources({ namespace, key, kind }: ResourceFilter): StoredResource[] {
    const where = [
      ['namespace = ?', namespace] as const,
      ['key = ?', key] as const,
      // Keys begin with the kind and a slash, after which 0 comes next.
      ['key > ?', kind && `${kind}/`] as const,
      ['key < ?', kind && `${kind}0`] as const,
    ].filter(([, value]) => value !== undefined)
    const conditions = ['value is not null', ...where.map(([condition]) => condition)]
    return this.#all(
      `select key, value, version from resources where ${conditions.join(' and ')} order by key`,
      ...where.map(([, value]) => value!),
    )
  }

  resourceVersion(): number {
    return this.#all<{ value: number }>(`select value from counters where name = 'resources'`)[0]!.value
  }

  resourcesAfter(version: number, limit: number): ResourceEvent[] | undefined {
    const rows = this.#all<ResourceEvent>(
      'select key, value, version from resources where version > ? order by version limit ?',
      version,
      limit,
    )
    // Read after the rows: while this holds, no deletion was forgotten before they were read.
    const counters = new Map(
      this.#all<{ name: string; value: number }>('select name, value from counters').map(({ name, value }) => [name, value]),
    )
    return version < counters.get('forgotten')! || version > counters.get('resources')! ? undefined : rows
  }

  switches(): Switch[] {
    return this.#all('select name, subject, author, at from switches order by name, subject')
  }

  resourceVersions(key: string): ResourceVersion[] {
    return this.#all('select generation, value, author, at from versions where key = ? order by generation desc', key)
  }

  secrets({ namespace, name }: { namespace?: string; name?: string }): StoredSecret[] {
    const where = [['namespace', namespace] as const, ['name', name] as const].filter(([, value]) => value !== undefined)
    const conditions = ['true', ...where.map(([field]) => `${field} = ?`)]
    return this.#all(
      `select namespace, name, sealed, author, updated_at as at from secrets where ${conditions.join(' and ')} order by namespace, name`,
      ...where.map(([, value]) => value!),
    )
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

/** A text that `like` takes as it is. */
const escape = (text: string): string => text.replaceAll(/[\\%_]/g, '\\$&')
