import type { Ejection } from '../common/ejection.ts'
import type { Conflict } from '../mesh/conflict.ts'

/** What a component says of itself; `version` and `ready` always, other fields as docs/architecture.md lists them. */
export interface Report {
  version: string
  ready: boolean
  /** The last of our revisions that it has applied. */
  revision?: number
  held?: Held | null
  conflicts?: Conflict[]
  routers?: ReportedRouter[]
  /** Of pilots: what they made of every resource, by key; or what of it is other than in their report before, whose version is one less. */
  resources?: States
  resourceChanges?: Record<string, ResourceState | null>
  resourcesVersion?: number
  [detail: string]: unknown
}

/** What a pilot made of a resource. */
export interface ResourceState {
  generation: number
  programmed: boolean
  degraded?: string
}
type States = Record<string, ResourceState>

/** What a pilot says of a router. */
export interface ReportedRouter {
  name: string
  ejections?: Ejection[]
  [detail: string]: unknown
}

/** A sync that a route-syncer holds because it would remove too much. */
export interface Held {
  id: string
  since: string
  source: string
  reason: string
  removes: { routes: number; instances: number; apps?: number }
}

export interface Component {
  kind: string
  name: string
  report: Report
  /** Milliseconds since 1970. */
  lastSeen: number
  lost: boolean
}

const lostAfter = 15_000
const forgottenAfter = 24 * 3_600_000
/** How long what is said of resources is news to who begins to watch, milliseconds: he has listed them not long before. */
const lately = 60_000

/** What components report, and what operators ask of them. Kept in memory: after a restart all is told again within seconds. */
export class Components {
  readonly #reports = new Map<string, Omit<Component, 'lost'>>()
  /** What each component said of resources. */
  readonly #resources = new Map<string, { version: number | undefined; states: Map<string, ResourceState> }>()
  readonly #accepted = new Set<string>()
  readonly #listeners = new Set<(keys: string[]) => void>()
  /** When a pilot last said something new of a resource, by its record's key, the oldest first. */
  readonly #news = new Map<string, number>()
  readonly #now: () => number

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  /** Takes a report and answers with the orders for that component. */
  report(kind: string, name: string, { resources, resourceChanges, resourcesVersion, ...report }: Report): Record<string, unknown> {
    const id = `${kind}/${name}`
    this.#reports.set(id, { kind, name, report, lastSeen: this.#now() })
    const accepted = report.held && this.#accepted.has(report.held.id)
    return {
      ...(accepted ? { acceptSync: report.held!.id } : {}),
      ...(this.#tell(id, { resources, resourceChanges, resourcesVersion }) ? {} : { resources: 'all' }),
    }
  }

  /** Takes what a component says of resources; false where it must tell all of it, since what it builds on is not known. */
  #tell(
    id: string,
    { resources, resourceChanges = {}, resourcesVersion: version }: Pick<Report, 'resources' | 'resourceChanges' | 'resourcesVersion'>,
  ): boolean {
    const known = this.#resources.get(id)
    const changes = new Map(Object.entries<ResourceState | null>(resources ?? resourceChanges))
    if (resources) for (const key of known?.states.keys() ?? []) if (!changes.has(key)) changes.set(key, null)
    if (!resources) {
      if (version === undefined) return true
      if (known?.version !== (changes.size ? version - 1 : version)) return false
    }
    const states = known?.states ?? new Map<string, ResourceState>()
    const changed: string[] = []
    for (const [key, state] of changes) {
      if (JSON.stringify(states.get(key)) !== JSON.stringify(state ?? undefined)) changed.push(key)
      if (state) states.set(key, state)
      else states.delete(key)
    }
    this.#resources.set(id, { version, states })
    if (changed.length) {
      this.#note(changed)
      for (const listener of this.#listeners) listener(changed)
    }
    return true
  }

  list(): Component[] {
    const now = this.#now()
    for (const [id, { lastSeen }] of this.#reports) {
      if (now - lastSeen <= forgottenAfter) continue
      this.#reports.delete(id)
      this.#resources.delete(id)
    }
    return [...this.#reports.values()]
      .map((component) => ({ ...component, lost: now - component.lastSeen > lostAfter }))
      .sort((a, b) => a.kind.localeCompare(b.kind) || a.name.localeCompare(b.name))
  }

  /** The syncs that live route-syncers hold. */
  held(): Held[] {
    return this.#syncers().flatMap(({ report }) => report.held ?? [])
  }

  conflicts(): Conflict[] {
    return this.#syncers().flatMap(({ report }) => report.conflicts ?? [])
  }

  /** The routers that hold a stream of a living pilot, each with that pilot's name. */
  routers(): (ReportedRouter & { pilot: string })[] {
    const pilots = this.list().filter(({ kind, lost }) => kind === 'pilot' && !lost)
    return pilots.flatMap(({ name: pilot, report }) => (report.routers ?? []).map((router) => ({ ...router, pilot })))
  }

  /** What live pilots say of a resource, by its record's key. */
  toldOf(key: string): ResourceState[] {
    const pilots = this.list().filter(({ kind, lost }) => kind === 'pilot' && !lost)
    return pilots.flatMap(({ kind, name }) => this.#resources.get(`${kind}/${name}`)?.states.get(key) ?? [])
  }

  /** Keys of resources of which a pilot has said something new of late. */
  newsOfLate(): Iterable<string> {
    this.#note([])
    return this.#news.keys()
  }

  #note(keys: string[]): void {
    const now = this.#now()
    for (const key of keys) {
      this.#news.delete(key)
      this.#news.set(key, now)
    }
    for (const [key, at] of this.#news) {
      if (at > now - lately) break
      this.#news.delete(key)
    }
  }

  /** Calls `listener` with the keys of resources of which a pilot says something new; returns a function that stops it. */
  onResources(listener: (keys: string[]) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Lets the syncer that holds this sync know, at its next report, that it is wanted. */
  accept(id: string): void {
    this.#accepted.add(id)
  }

  #syncers(): Component[] {
    return this.list().filter(({ kind, lost }) => kind === 'route-syncer' && !lost)
  }
}
