import { Database, type Write } from './database.ts'
import { Table, type Keys, type Row } from './table.ts'
import type * as rows from './rows.ts'

/** One row that a transaction created (`before` absent), changed, or removed (`after` absent). */
export interface RowChange {
  kind: string
  before?: Row
  after?: Row
}

type Change = RowChange & { table: Table<Row> }

/**
 * All state of the foundation: tables in memory, written through to one file. A transaction takes effect whole or not at
 * all, in memory and on disk; listeners hear of it once it is on disk.
 */
export class Store {
  readonly #database: Database
  readonly #tables = new Map<string, Table<Row>>()
  readonly #listeners: ((changes: RowChange[]) => void)[] = []
  #changes: Change[] | undefined
  #seq = 0

  readonly organizations = this.#table<rows.Organization, 'name'>('organization', { name: ({ name }) => name.toLowerCase() })
  readonly spaces = this.#table<rows.Space, 'organization'>('space', { organization: ({ organization }) => organization })
  readonly users = this.#table<rows.User, 'username'>('user', { username: ({ username }) => username?.toLowerCase() })
  readonly roles = this.#table<rows.Role, 'user' | 'organization' | 'space'>('role', {
    user: ({ user }) => user,
    organization: ({ organization }) => organization ?? undefined,
    space: ({ space }) => space ?? undefined,
  })
  readonly domains = this.#table<rows.Domain, 'name' | 'organization'>('domain', {
    name: ({ name }) => name.toLowerCase(),
    organization: ({ organization }) => organization ?? undefined,
  })
  readonly routes = this.#table<rows.Route, 'host' | 'domain' | 'owner' | 'space' | 'app'>('route', {
    host: ({ host }) => host,
    domain: ({ domain }) => domain,
    owner: ({ space }) => space,
    space: ({ space, sharedSpaces }) => (sharedSpaces.length ? [space, ...sharedSpaces] : space),
    app: ({ destinations }) => destinations.map(({ app }) => app),
  })
  readonly apps = this.#table<rows.App, 'name' | 'space'>('app', { name: ({ name }) => name, space: ({ space }) => space })
  readonly processes = this.#table<rows.Process, 'app'>('process', { app: ({ app }) => app })
  readonly packages = this.#table<rows.Package, 'app'>('package', { app: ({ app }) => app })
  readonly builds = this.#table<rows.Build, 'app' | 'package'>('build', { app: ({ app }) => app, package: (build) => build.package })
  readonly droplets = this.#table<rows.Droplet, 'app' | 'package'>('droplet', {
    app: ({ app }) => app,
    package: (droplet) => droplet.package ?? undefined,
  })
  readonly revisions = this.#table<rows.Revision, 'app'>('revision', { app: ({ app }) => app })
  readonly deployments = this.#table<rows.Deployment, 'app' | 'active'>('deployment', {
    app: ({ app }) => app,
    active: ({ state }) => (state === 'DEPLOYING' ? 'yes' : undefined),
  })
  readonly jobs = this.#table<rows.Job, never>('job', {})
  readonly events = this.#table<rows.AuditEvent, 'target'>('event', { target: ({ target }) => target.guid })
  readonly accounts = this.#table<rows.Account, 'userName'>('account', { userName: ({ userName }) => userName.toLowerCase() })
  readonly settings = this.#table<rows.Setting, 'name'>('setting', { name: ({ name }) => name })

  /** Opens `file` and reads what it has; `:memory:` keeps nothing. */
  constructor(file: string) {
    this.#database = new Database(file)
    for (const { kind, value } of this.#database.read()) {
      const row = value as Row
      this.#tables.get(kind)?.restore(undefined, row)
      this.#seq = Math.max(this.#seq, row.seq)
    }
  }

  /**
   * Runs `work`; if it throws, nothing of it remains. Every change of a table belongs in a transaction; one inside
   * another joins it. Synchronous, so that nobody sees half of it.
   */
  transaction<Result>(work: () => Result): Result {
    if (this.#changes) return work()
    const changes: Change[] = (this.#changes = [])
    try {
      const result = work()
      if (changes.length) this.#database.write(writes(changes))
      this.#changes = undefined
      if (changes.length) for (const listener of this.#listeners) listener(changes)
      return result
    } catch (error) {
      if (this.#changes) for (const { table, before, after } of changes.reverse()) table.restore(after, before)
      this.#changes = undefined
      throw error
    }
  }

  /** Calls `listener` after each transaction that changed something. It may start transactions; it must not throw. */
  onCommit(listener: (changes: RowChange[]) => void): void {
    this.#listeners.push(listener)
  }

  close(): void {
    this.#database.close()
  }

  #table<R extends Row, I extends string>(kind: string, keys: Record<I, Keys<R>>): Table<R, I> {
    const table = new Table<R, I>(
      kind,
      {
        nextSeq: () => ++this.#seq,
        record: (before, after) => {
          if (!this.#changes) throw new Error(`${kind} changed outside a transaction`)
          this.#changes.push({ kind, table: table as unknown as Table<Row>, ...(before && { before }), ...(after && { after }) })
        },
      },
      keys,
    )
    this.#tables.set(kind, table as unknown as Table<Row>)
    return table
  }
}

/** The last state of each row that changed. */
function writes(changes: Change[]): Iterable<Write> {
  const last = new Map<number, Write>()
  for (const { kind, before, after } of changes) {
    const { seq } = (after ?? before)!
    last.set(seq, { seq, kind, value: after ?? null })
  }
  return last.values()
}
