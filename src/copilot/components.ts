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
  [detail: string]: unknown
}

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

/** What components report, and what operators ask of them. Kept in memory: after a restart all is told again within seconds. */
export class Components {
  readonly #reports = new Map<string, Omit<Component, 'lost'>>()
  readonly #accepted = new Set<string>()
  readonly #listeners = new Set<(keys: string[]) => void>()
  readonly #now: () => number

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  /** Takes a report and answers with the orders for that component. */
  report(kind: string, name: string, report: Report): Record<string, unknown> {
    const before = this.#reports.get(`${kind}/${name}`)?.report
    this.#reports.set(`${kind}/${name}`, { kind, name, report, lastSeen: this.#now() })
    const changed = this.#listeners.size ? differing(before?.['resources'] as Table, report['resources'] as Table) : []
    if (changed.length) for (const listener of this.#listeners) listener(changed)
    const accepted = report.held && this.#accepted.has(report.held.id)
    return accepted ? { acceptSync: report.held!.id } : {}
  }

  list(): Component[] {
    const now = this.#now()
    for (const [id, { lastSeen }] of this.#reports) if (now - lastSeen > forgottenAfter) this.#reports.delete(id)
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
  toldOf(key: string): unknown[] {
    const pilots = this.list().filter(({ kind, lost }) => kind === 'pilot' && !lost)
    return pilots.flatMap(({ report }) => (report['resources'] as Table)?.[key] ?? [])
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

type Table = Record<string, unknown> | undefined

/** The keys whose values differ. */
function differing(before: Table = {}, after: Table = {}): string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]))
}
