import type { Condition } from '../../common/health.ts'
import type { Part } from '../../common/lifecycle.ts'
import type { Logger } from '../../common/log.ts'
import type { Problem } from '../../common/problem.ts'
import type { Kind, Records } from '../../mesh/records.ts'
import { storeProblem } from './database.ts'
import { Reader } from './reader.ts'
import { Remote } from './remote.ts'
import type {
  ChangeOptions,
  Filter,
  Keyed,
  Page,
  ResourceChange,
  ResourceEvent,
  ResourceFilter,
  ResourceOutcome,
  ResourceVersion,
  Revision,
  SourceState,
  Store,
  StoredChange,
  StoredRecord,
  StoredResource,
  StoredSecret,
  StoreHealth,
  StoreState,
  Switch,
  Sync,
} from './store.ts'
import { Writer, type WriterOptions } from './writer.ts'

/**
 * The embedded store. Changes are made by one thread and people's questions answered by another; what watchers read,
 * short pages by index, is read in this one.
 */
export class SqliteStore implements Store, Part {
  readonly name = 'store'
  readonly #file: string
  readonly #logger: Logger
  readonly #writer: Remote<Writer>
  readonly #questions: Remote<Reader>
  readonly #listeners = new Set<() => void>()
  readonly health: StoreHealth = { failures: {} }
  #log: Reader | undefined
  #state: StoreState | undefined

  constructor(options: WriterOptions, logger: Logger) {
    this.#logger = logger
    this.#file = options.file
    this.#writer = new Remote<Writer>({ role: 'writer', options })
    this.#questions = new Remote<Reader>({ role: 'reader', file: options.file })
  }

  async start(): Promise<void> {
    await this.#writer.open()
    this.#state = await this.#writer.call('state')
    await this.#questions.open()
    this.#log = new Reader(this.#file)
  }

  async stop(): Promise<void> {
    this.#log?.close()
    this.#log = undefined
    await this.#questions.close()
    await this.#writer.close()
  }

  condition(): Condition {
    const { failing } = this.health
    return { ready: failing === undefined, ...(failing && { reason: failing }), revision: this.state.revision }
  }

  get state(): StoreState {
    return this.#state!
  }

  onCommit(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async beginSync(source: string, epoch: string): Promise<Sync> {
    const sync = await this.#noting(this.#writer.call('beginSync', source, epoch))
    return {
      stage: (records) => this.#noting(this.#writer.call('stage', sync, records)),
      commit: () => this.#committed(this.#writer.call('commitSync', sync)),
      discard: () => this.#noting(this.#writer.call('discardSync', sync)),
    }
  }

  change(source: string, epoch: string, changes: StoredChange[]): Promise<{ revision: number }> {
    return this.#committed(this.#writer.call('change', source, epoch, changes))
  }

  changeResources(
    author: string,
    changes: ResourceChange[],
    options: ChangeOptions,
  ): Promise<{ revision: number; outcomes: ResourceOutcome[] }> {
    const outcome = this.#writer.call('changeResources', author, changes, options)
    return options.dryRun ? this.#noting(outcome) : this.#committed(outcome)
  }

  resources(filter: ResourceFilter): Promise<StoredResource[]> {
    return this.#noting(this.#questions.call('resources', filter))
  }

  resourceVersion(): Promise<number> {
    return this.#noting(this.#questions.call('resourceVersion'))
  }

  resourcesAfter(version: number, limit: number): Promise<ResourceEvent[] | undefined> {
    return this.#noting(this.#questions.call('resourcesAfter', version, limit))
  }

  hostBeneath(domain: string | undefined, position: number): Promise<string | undefined> {
    return this.#noting(this.#questions.call('hostBeneath', domain, position))
  }

  switches(): Promise<Switch[]> {
    return this.#noting(this.#questions.call('switches'))
  }

  async setSwitch(wanted: Pick<Switch, 'name' | 'subject' | 'author'>, on: boolean): Promise<boolean> {
    return (await this.#committed(this.#writer.call('setSwitch', wanted, on))).changed
  }

  removeOrphans(patience: number): Promise<{ revision: number; removed: string[] }> {
    return this.#committed(this.#writer.call('removeOrphans', patience))
  }

  resourceVersions(key: string): Promise<ResourceVersion[]> {
    return this.#noting(this.#questions.call('resourceVersions', key))
  }

  putSecret(secret: StoredSecret, record: string, most: number): Promise<{ revision: number }> {
    return this.#committed(this.#writer.call('putSecret', secret, record, most))
  }

  resealSecret(namespace: string, name: string, before: Uint8Array, after: Uint8Array): Promise<void> {
    return this.#noting(this.#writer.call('resealSecret', namespace, name, before, after))
  }

  async deleteSecret(namespace: string, name: string): Promise<boolean> {
    return (await this.#committed(this.#writer.call('deleteSecret', namespace, name))).existed
  }

  secrets(filter: { namespace?: string; name?: string }): Promise<StoredSecret[]> {
    return this.#noting(this.#questions.call('secrets', filter))
  }

  sources(): Promise<SourceState[]> {
    return this.#noting(this.#questions.call('sources'))
  }

  changesAfter(revision: number): Promise<Revision[] | undefined> {
    return this.#noting(this.#read((log) => log.changesAfter(revision)))
  }

  scan(kind: Kind, of: { upTo: number } | { source: string }, page: Required<Page>): Promise<StoredRecord[]> {
    return this.#noting(this.#read((log) => log.scan(kind, of, page)))
  }

  async list<K extends Kind>(kind: K, filter: Filter, page?: Page): Promise<Keyed<K>[]> {
    const records = await this.#noting(this.#questions.call('list', kind, filter, page))
    return records.map(({ key, value }) => ({ key, value: JSON.parse(value) as Records[K] }))
  }

  async #read<Result>(read: (log: Reader) => Result): Promise<Result> {
    try {
      return read(this.#log!)
    } catch (error) {
      throw storeProblem(error)
    }
  }

  async #committed<Outcome extends { revision: number }>(commit: Promise<Outcome>): Promise<Outcome> {
    const outcome = await this.#noting(commit)
    this.#state = await this.#writer.call('state')
    delete this.health.failing
    for (const listener of this.#listeners) this.#tell(listener)
    return outcome
  }

  /** What is committed is committed: a listener that fails is no failure of the caller's. */
  #tell(listener: () => void): void {
    try {
      listener()
    } catch (error) {
      this.#logger.error({ err: error }, 'a listener of commits failed')
    }
  }

  async #noting<Result>(call: Promise<Result>): Promise<Result> {
    try {
      return await call
    } catch (error) {
      const { code, message, status } = error as Problem
      if (status >= 500) {
        this.health.failing = message
        this.health.failures[code] = (this.health.failures[code] ?? 0) + 1
      }
      throw error
    }
  }
}
