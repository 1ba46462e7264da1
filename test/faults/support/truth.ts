import type { Session } from '../../../src/cli/dev/session.ts'
import type { Instances } from './platform.ts'

/** What an answer said, or why there was none, and when the connection was begun that was to bring it. */
export type Outcome =
  | { status: number; app?: string | undefined; instance?: string | undefined; id?: string | undefined }
  | { error: string; connected?: number | undefined }

export type Verdict = { kind: 'ok' } | { kind: 'failed' | 'wrong'; reason: string }

/** What a host leads to: an app's guid, or nothing. */
type Owner = string

const nobody: Owner = ''

/**
 * The true state, which knows nothing of the mesh. A host's answer is right if it is what the host led to at any time since
 * the mesh was last seen to be whole: while a program is away, routers serve what was; they never serve what never was.
 */
export class Truth {
  readonly #cells: Instances
  readonly #owner = new Map<string, Owner>()
  readonly #since = new Map<string, Set<Owner>>()
  /** When a host that led to nothing last came to lead to an app, milliseconds of the monotonic clock. */
  readonly #mapped = new Map<string, number>()
  /** Instances that a router may rely on, by app: those known at the last whole and alive since. */
  readonly #anchors = new Map<string, Set<string>>()

  constructor(cells: Instances) {
    this.#cells = cells
  }

  /** Takes what Cloud Controller has, before the mesh is asked anything. */
  async read(session: Session): Promise<void> {
    for (const { host, destinations } of (await session.list('/v3/routes?per_page=5000')) as unknown as {
      host: string
      destinations: { app: { guid: string } }[]
    }[])
      this.set(host, destinations[0]?.app.guid)
  }

  get hosts(): string[] {
    return [...this.#owner.keys()]
  }

  owner(host: string): string | undefined {
    return this.#owner.get(host) || undefined
  }

  /** To be called before the platform is told. */
  set(host: string, app: string | undefined): void {
    const owner = app ?? nobody
    if (!this.#since.has(host)) this.#since.set(host, new Set([this.#owner.get(host) ?? nobody]))
    this.#since.get(host)!.add(owner)
    if (app && !this.#owner.get(host)) this.#mapped.set(host, performance.now())
    this.#owner.set(host, owner)
  }

  /** The mesh was seen to be what the platform is: from now on only that counts. */
  whole(): void {
    for (const [host, owner] of this.#owner) this.#since.set(host, new Set([owner]))
    this.#anchors.clear()
    for (const { app, guid, stopping } of this.#cells.running.values())
      if (!stopping) this.#anchors.set(app, (this.#anchors.get(app) ?? new Set()).add(guid))
  }

  /** Whether an instance may go while the mesh may be blind: at least `keep` of those that it knows must stay. */
  mayLose(app: string, guid: string, keep: number): boolean {
    const anchors = [...(this.#anchors.get(app) ?? [])]
    return anchors.filter((anchor) => anchor !== guid && this.#cells.running.get(anchor)?.stopping === false).length >= keep
  }

  /** What a host may lead to from now on; to be taken when a request begins. */
  allowed(host: string): ReadonlySet<string> {
    let owners = this.#since.get(host)
    if (!owners) this.#since.set(host, (owners = new Set([nobody])))
    return owners
  }

  /** Judges the answer to request `id`: when it began, and what was allowed then. */
  judge(host: string, id: string, { began, allowed }: { began: number; allowed: ReadonlySet<string> }, outcome: Outcome): Verdict {
    const owners = new Set([...allowed, ...this.allowed(host)])
    if ('error' in outcome) return { kind: 'failed', reason: outcome.error }
    const { status, app, instance } = outcome
    if (status === 200) {
      if (app === undefined || !owners.has(app))
        return { kind: 'wrong', reason: `${host} was answered by app ${app}, which it never led to` }
      if (instance === undefined || this.#cells.history.get(instance) !== app)
        return { kind: 'wrong', reason: `${host} was answered by instance ${instance}, which is not of app ${app}` }
      if (outcome.id !== id) return { kind: 'wrong', reason: `${host} got the answer to another request` }
      return { kind: 'ok' }
    }
    if (status === 404 && owners.has(nobody)) return { kind: 'ok' }
    // Its route was taken away between two tries.
    if (status === 503 && (!this.owner(host) || (this.#mapped.get(host) ?? 0) >= began)) return { kind: 'ok' }
    return { kind: 'failed', reason: `status ${status}` }
  }
}
