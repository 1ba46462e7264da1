import { randomUUID } from 'node:crypto'
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import { kinds, type Kind } from '../../mesh/records.ts'
import { EpochSuperseded, EpochUnknown } from '../problems.ts'
import { lockStore, openDatabase, removeLeftovers, stagingFile } from './database.ts'
import { Staging } from './staging.ts'
import { ResourceTable } from './resource-table.ts'
import { SecretTable } from './secret-table.ts'
import { Orphans } from './orphans.ts'
import { SwitchTable } from './switch-table.ts'
import {
  changesPerRevision,
  type ChangeOptions,
  type ResourceChange,
  type ResourceOutcome,
  type StoredChange,
  type StoredRecord,
  type StoredSecret,
  type StoreState,
  type Switch,
  type SyncOutcome,
} from './store.ts'

export interface WriterOptions {
  file: string
  /** Revisions for which removals are remembered, so that watchers can resume. */
  retention: number
  /** Largest size of the database, MiB. */
  maxMegabytes?: number
}

type Counts = Record<Kind, number>

/** Removals forgotten in one step, so that none takes long. */
const compactionStep = 1000
/** Superseded epochs remembered of each source. */
const epochsRemembered = 100

/** Who owns the records that are copilot's own; no name that a source can have. */
const ownSource = ' copilot'

const upsert = `on conflict (kind, key) do update set source = excluded.source, value = excluded.value, revision = excluded.revision`
const rank = (kind: string): string => `case ${kind} ${kinds.map((name, position) => `when '${name}' then ${position}`).join(' ')} end`

/** Everything that is written to a copilot database. Synchronous: it lives in a thread of its own. */
export class Writer {
  readonly #options: WriterOptions
  readonly #lock: DatabaseSync
  readonly #database: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()
  readonly #stagings = new Map<number, Staging>()
  #syncs = 0
  #counts: Counts
  #compaction: NodeJS.Immediate | undefined

  /** Opens the database. Throws `MESH_STORE_IN_USE`, `MESH_STORE_UNUSABLE`, `MESH_STORE_TOO_NEW`. */
  constructor(options: WriterOptions) {
    this.#options = options
    this.#lock = lockStore(options.file)
    try {
      removeLeftovers(options.file)
      this.#database = openDatabase(options.file, options.maxMegabytes)
      this.#nameHistory()
      this.#counts = this.#count()
    } catch (error) {
      this.#lock.close()
      throw error
    }
  }

  close(): void {
    clearImmediate(this.#compaction)
    for (const sync of this.#stagings.keys()) this.discardSync(sync)
    this.#database.close()
    this.#lock.close()
  }

  state(): StoreState {
    return { ...this.#get<Omit<StoreState, 'records'>>('select history, revision from store'), records: this.#counts }
  }

  beginSync(source: string, epoch: string): number {
    this.#refuseSuperseded(source, epoch)
    const sync = ++this.#syncs
    this.#stagings.set(sync, new Staging(stagingFile(this.#options.file, sync), source, epoch))
    return sync
  }

  stage(sync: number, records: StoredRecord[]): void {
    this.#stagings.get(sync)!.add(records)
  }

  discardSync(sync: number): void {
    this.#stagings.get(sync)?.remove()
    this.#stagings.delete(sync)
  }

  commitSync(sync: number): SyncOutcome {
    const staging = this.#stagings.get(sync)!
    staging.seal()
    this.#run('attach ? as staging', staging.file)
    try {
      this.#database.exec('pragma staging.journal_mode = off; pragma staging.synchronous = off')
      return this.#transaction((revision, counts) => this.#replace(staging, revision, counts))
    } finally {
      this.#statements.clear()
      this.#database.exec('detach staging')
      this.discardSync(sync)
    }
  }

  change(source: string, epoch: string, changes: StoredChange[]): { revision: number } {
    return this.#transaction((revision, counts) => {
      this.#refuseSuperseded(source, epoch)
      if (this.#get<{ epoch: string } | undefined>('select epoch from sources where name = ?', source)?.epoch !== epoch)
        throw EpochUnknown(source)
      let applied = 0
      for (const change of changes) {
        if (this.#apply(source, change, revision + 1 + Math.floor(applied / changesPerRevision), counts)) applied++
      }
      this.#run('update sources set changed_at = ? where name = ?', Date.now(), source)
      return { revision: revision + Math.ceil(applied / changesPerRevision) }
    })
  }

  /** Changes resources, all or none; what is in force of them is recorded for pilot in the same transaction. */
  changeResources(
    author: string,
    changes: ResourceChange[],
    { most, dryRun = false }: ChangeOptions,
  ): { revision: number; outcomes: ResourceOutcome[] } {
    return this.#transaction((revision, counts) => {
      const resources = new ResourceTable(this.#database, author)
      const switches = new SwitchTable(this.#database)
      const outcomes = changes.map((change) => resources.apply(change))
      if (!dryRun && outcomes.some(({ outcome }) => outcome !== 'unchanged')) switches.refuseFrozen()
      for (const namespace of new Set(changes.map((change) => change.namespace))) resources.refuseTooMany(namespace, most)
      const inForce = outcomes.filter(
        ({ outcome }, position) => outcome !== 'unchanged' && !switches.isOn('ignore', changes[position]!.namespace),
      )
      return {
        revision: this.#tell(
          'resource',
          inForce.map(({ key, after = null }) => ({ key, value: after })),
          revision,
          counts,
        ),
        outcomes,
      }
    }, dryRun)
  }

  /** Turns a switch; with `ignore`, what the space applied leaves or enters the records. */
  setSwitch(wanted: Pick<Switch, 'name' | 'subject' | 'author'>, on: boolean): { revision: number; changed: boolean } {
    return this.#transaction((revision, counts) => {
      const changed = new SwitchTable(this.#database).set(wanted, on)
      if (!changed || wanted.name !== 'ignore') return { revision, changed }
      const resources = new ResourceTable(this.#database, wanted.author).all(wanted.subject)
      return {
        revision: this.#tell('resource', on ? resources.map(({ key }) => ({ key, value: null })) : resources, revision, counts),
        changed,
      }
    })
  }

  /** Removes what was applied in spaces that have been gone for long. Where no space is known at all, none is gone. */
  removeOrphans(patience: number): { revision: number; removed: string[] } {
    return this.#transaction((revision, counts) => {
      const orphans = new Orphans(this.#database)
      if (!counts.space) return { revision, removed: [] }
      const gone = orphans.gone(patience)
      const resources = new ResourceTable(this.#database, 'copilot')
      const removed = gone.flatMap((namespace) =>
        resources.all(namespace).map(({ key }) => resources.apply({ key, namespace, value: null }).key),
      )
      const secrets = gone.flatMap((namespace) => new SecretTable(this.#database).deleteAll(namespace))
      const told = this.#tell(
        'resource',
        removed.map((key) => ({ key, value: null })),
        revision,
        counts,
      )
      return {
        revision: this.#tell(
          'secret',
          secrets.map((key) => ({ key, value: null })),
          told,
          counts,
        ),
        removed: [...removed, ...secrets.map((key) => `secret/${key}`)],
      }
    })
  }

  /** Makes changes of copilot's own records, in revisions from the next one on; returns the last that it took. */
  #tell(kind: 'resource' | 'secret', changes: { key: string; value: string | null }[], revision: number, counts: Counts): number {
    let applied = 0
    for (const { key, value } of changes)
      if (this.#apply(ownSource, { kind, key, value }, revision + 1 + Math.floor(applied / changesPerRevision), counts)) applied++
    return revision + Math.ceil(applied / changesPerRevision)
  }

  /** Keeps a secret with its record. */
  putSecret(secret: StoredSecret, record: string, most: number): { revision: number } {
    return this.#transaction((revision, counts) => {
      new SwitchTable(this.#database).refuseFrozen()
      new SecretTable(this.#database).put(secret, most)
      return { revision: this.#tell('secret', [{ key: `${secret.namespace}/${secret.name}`, value: record }], revision, counts) }
    })
  }

  resealSecret(namespace: string, name: string, before: Uint8Array, after: Uint8Array): void {
    this.#transaction((revision) => {
      new SecretTable(this.#database).reseal(namespace, name, before, after)
      return { revision }
    })
  }

  deleteSecret(namespace: string, name: string): { revision: number; existed: boolean } {
    return this.#transaction((revision, counts) => {
      new SwitchTable(this.#database).refuseFrozen()
      const existed = new SecretTable(this.#database).delete(namespace, name)
      return { revision: this.#tell('secret', [{ key: `${namespace}/${name}`, value: null }], revision, counts), existed }
    })
  }

  /** Makes one change; false when the record already was so. */
  #apply(source: string, { kind, key, value }: StoredChange, revision: number, counts: Counts): boolean {
    const stored = this.#get<{ source: string; value: string | null } | undefined>(
      'select source, value from records where kind = ? and key = ?',
      kind,
      key,
    )
    const exists = typeof stored?.value === 'string'
    if (value === null && (!exists || stored.source !== source)) return false
    if (value !== null && stored?.value === value) {
      if (stored.source !== source) this.#run('update records set source = ? where kind = ? and key = ?', source, kind, key)
      return false
    }
    this.#run(
      `insert into records (kind, key, source, value, revision) values (?, ?, ?, ?, ?) ${upsert}`,
      kind,
      key,
      source,
      value,
      revision,
    )
    counts[kind] += Number(value !== null) - Number(exists)
    return true
  }

  /**
   * Makes the source's records what is attached as `staging`: first what is new or different, then the removals in reverse order of kinds.
   */
  #replace({ source, epoch }: Staging, revision: number, counts: Counts): SyncOutcome {
    this.#refuseSuperseded(source, epoch)
    this.#run('create table staging.difference (n integer primary key, kind text, key text, value text, existed integer)')
    this.#run(`
      insert into staging.difference (kind, key, value, existed)
      select s.kind, s.key, s.value, r.value is not null
      from staging.records s left join main.records r on r.kind = s.kind and r.key = s.key
      where r.value is null or r.value <> s.value
      order by ${rank('s.kind')}`)
    this.#run(
      `
      insert into staging.difference (kind, key, value, existed)
      select r.kind, r.key, null, 1 from main.records r
      where r.source = ? and r.value is not null and not exists (select 1 from staging.records s where s.kind = r.kind and s.key = r.key)
      order by ${rank('r.kind')} desc`,
      source,
    )
    this.#run(
      `
      insert into main.records (kind, key, source, value, revision)
      select kind, key, ?, value, ? + (n + ${changesPerRevision - 1}) / ${changesPerRevision} from staging.difference where true order by n ${upsert}`,
      source,
      revision,
    )
    this.#run(
      `update main.records as r set source = ?1 where source <> ?1 and exists (select 1 from staging.records s where s.kind = r.kind and s.key = r.key)`,
      source,
    )
    this.#adopt(source, epoch)

    const outcome = { revision, added: 0, changed: 0, removed: 0 }
    const sums = 'count(*) as total, sum(existed = 0) as added, sum(value is null) as removed'
    for (const { kind, total, added, removed } of this.#all<{ kind: Kind; total: number; added: number; removed: number }>(
      `select kind, ${sums} from staging.difference group by kind`,
    )) {
      counts[kind] += added - removed
      outcome.added += added
      outcome.removed += removed
      outcome.changed += total - added - removed
    }
    outcome.revision += Math.ceil((outcome.added + outcome.changed + outcome.removed) / changesPerRevision)
    return outcome
  }

  /** The epoch whose full sync was committed is the source's from now on, and the one before it can never be again. */
  #adopt(source: string, epoch: string): void {
    this.#run(
      `insert or ignore into superseded (source, epoch) select name, epoch from sources where name = ? and epoch not in ('', ?)`,
      source,
      epoch,
    )
    this.#run(
      'delete from superseded where source = ?1 and id not in (select id from superseded where source = ?1 order by id desc limit ?2)',
      source,
      epochsRemembered,
    )
    this.#run(
      `insert into sources (name, epoch, synced_at, changed_at) values (?1, ?2, ?3, ?3)
       on conflict (name) do update set epoch = excluded.epoch, synced_at = excluded.synced_at, changed_at = excluded.changed_at`,
      source,
      epoch,
      Date.now(),
    )
  }

  #refuseSuperseded(source: string, epoch: string): void {
    if (this.#get('select 1 from superseded where source = ? and epoch = ?', source, epoch)) throw EpochSuperseded(source)
  }

  /**
   * Runs `body` with the present revision and commits with the one that it returns: all or nothing, the counts included. With `dryRun`,
   * nothing.
   */
  #transaction<Outcome extends { revision: number }>(body: (revision: number, counts: Counts) => Outcome, dryRun = false): Outcome {
    this.#database.exec('begin immediate')
    try {
      const { revision } = this.#get<{ revision: number }>('select revision from store')
      const counts = { ...this.#counts }
      const outcome = body(revision, counts)
      if (dryRun) {
        this.#database.exec('rollback')
        return { ...outcome, revision }
      }
      if (outcome.revision !== revision) this.#run('update store set revision = ?', outcome.revision)
      this.#database.exec('commit')
      this.#counts = counts
      this.#compaction ??= setImmediate(() => this.#compact())
      return outcome
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('rollback')
      throw error
    }
  }

  /** Forgets removals beyond the retention, a few at a time, each time the thread has nothing else to do. */
  #compact(): void {
    this.#compaction = undefined
    try {
      this.#database.exec('begin immediate')
      const forgotten = this.#all<{ revision: number }>(
        `delete from records where id in (
           select id from records where value is null and revision <= (select revision - ? from store) order by revision limit ?
         ) returning revision`,
        this.#options.retention,
        compactionStep,
      )
      if (forgotten.length) this.#run('update store set floor = max(floor, ?)', Math.max(...forgotten.map((row) => row.revision)))
      this.#database.exec('commit')
      if (forgotten.length === compactionStep) this.#compaction = setImmediate(() => this.#compact())
    } catch {
      // What cannot be forgotten now (a full disk) is forgotten after a later change.
      if (this.#database.isTransaction) this.#database.exec('rollback')
    }
  }

  /** A new store begins a history; so does a restored backup, which comes without one and whose sources must send all again. */
  #nameHistory(): void {
    if (this.state().history) return
    this.#transaction((revision) => {
      this.#run('update store set history = ?', randomUUID())
      this.#run(`update sources set epoch = ''`)
      this.#run('delete from superseded')
      return { revision }
    })
  }

  #count(): Counts {
    const rows = (where: string): Map<Kind, number> =>
      new Map(
        this.#all<{ kind: Kind; n: number }>(`select kind, count(*) as n from records ${where} group by kind`).map(({ kind, n }) => [
          kind,
          n,
        ]),
      )
    const [all, removed] = [rows(''), rows('where value is null')]
    return Object.fromEntries(kinds.map((kind) => [kind, (all.get(kind) ?? 0) - (removed.get(kind) ?? 0)])) as Counts
  }

  #get<Row>(sql: string, ...values: SQLInputValue[]): Row {
    return this.#prepare(sql).get(...values) as Row
  }

  #all<Row>(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#prepare(sql).all(...values) as Row[]
  }

  #run(sql: string, ...values: SQLInputValue[]): void {
    this.#prepare(sql).run(...values)
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (!statement) this.#statements.set(sql, (statement = this.#database.prepare(sql)))
    return statement
  }
}
