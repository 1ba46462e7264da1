import { setTimeout as delay } from 'node:timers/promises'
import { Gauge, type Registry } from 'prom-client'
import type { Condition } from '../common/health.ts'
import type { Part } from '../common/lifecycle.ts'
import type { Logger } from '../common/log.ts'
import { messageOf } from '../common/problem.ts'
import { version } from '../common/version.ts'
import { kinds } from '../mesh/records.ts'
import { Bbs } from '../platform/bbs/client.ts'
import { CloudController } from '../platform/cloud-controller/client.ts'
import { UaaTokens } from '../platform/uaa.ts'
import { CloudFollower } from './cloud/follower.ts'
import { CloudReader } from './cloud/reader.ts'
import { seedFrom } from './cloud/seed.ts'
import type { RouteSyncerConfig } from './config.ts'
import { CopilotClient } from './copilot/client.ts'
import { Published } from './copilot/published.ts'
import { Sender } from './copilot/sender.ts'
import { DiegoFollower } from './diego/follower.ts'
import { DiegoReader } from './diego/reader.ts'
import { Guard } from './guard.ts'
import { Model } from './model.ts'
import { reports } from './report.ts'
import { Domains } from './serving/domains.ts'

/** Most conflicts that a report carries; their number is told besides. */
const mostConflicts = 100

/** Puts the parts of route-syncer together and lets copilot hear of the platform once both sources were read. */
export class RouteSyncer implements Part {
  readonly name = 'route-syncer'
  readonly #config: RouteSyncerConfig
  readonly #log: Logger
  readonly #published: Published
  readonly #model: Model
  readonly #guard: Guard
  readonly #tokens: UaaTokens
  readonly #cc: CloudController
  readonly #bbs: Bbs
  readonly #copilot: CopilotClient
  readonly #sender: Sender
  readonly #cloud: CloudFollower
  readonly #diego: DiegoFollower
  readonly #reports: Part
  readonly #stop = new AbortController()
  #waiting: Promise<void> | undefined
  #seeded = false

  constructor(config: RouteSyncerConfig, log: Logger) {
    this.#config = config
    this.#log = log
    const { cloudController, uaa, bbs, copilot } = config
    this.#published = new Published((change) => this.#sender.add(change))
    this.#model = new Model({ domains: new Domains(config), preferredAddress: bbs.preferredAddress, published: this.#published })
    this.#guard = new Guard(config.guard, log)
    this.#tokens = new UaaTokens({ ...uaa, url: () => (uaa.url ? Promise.resolve(uaa.url) : this.#cc.discoverUaa(this.#stop.signal)) })
    this.#cc = new CloudController({ ...cloudController, tokens: this.#tokens })
    this.#bbs = new Bbs(bbs)
    this.#copilot = new CopilotClient({ ...copilot, source: config.source, name: config.name })
    this.#sender = new Sender({ copilot: this.#copilot, all: () => this.#published.all(), log })

    const onRead = (): void => {
      this.#guard.recheck()
      this.#beginOnceRead()
    }
    const reader = new CloudReader({ cc: this.#cc, model: this.#model, guard: this.#guard })
    this.#cloud = new CloudFollower({ ...cloudController, reader, log, onRead })
    this.#diego = new DiegoFollower({
      bbs: this.#bbs,
      model: this.#model,
      reader: new DiegoReader({ bbs: this.#bbs, model: this.#model, guard: this.#guard }),
      fullInterval: bbs.fullInterval,
      log,
      onRead,
    })
    this.#reports = reports({
      copilot: this.#copilot,
      log,
      status: () => this.#status(),
      ages: () => ({ sources: { bbs: { ageMs: this.#diego.ageMs }, cloudController: { ageMs: this.#cloud.ageMs } } }),
      waiting: () => this.#guard.held !== undefined,
      onOrders: ({ acceptSync }) => acceptSync && this.#guard.accept(acceptSync),
    })
  }

  /** What health tells, by part. */
  get conditions(): Record<string, () => Condition> {
    return {
      bbs: () => this.#diego.condition,
      'cloud-controller': () => this.#cloud.condition,
      copilot: () => this.#sender.condition,
      guard: () => ({ ready: true, ...(this.#guard.held && { reason: this.#guard.held.reason, held: this.#guard.held }) }),
    }
  }

  register(metrics: Registry): void {
    const gauge = (
      name: string,
      help: string,
      labelNames: string[],
      collect: (set: (labels: Record<string, string>, value: number) => void) => void,
    ): void => {
      const metric: Gauge = new Gauge({
        name,
        help,
        labelNames,
        registers: [metrics],
        collect: () => collect((labels, value) => metric.set(labels, value)),
      })
    }
    gauge('mesh_source_age_seconds', 'How long ago each source was last read', ['source'], (set) => {
      for (const [source, { ageMs }] of [
        ['bbs', this.#diego],
        ['cloud-controller', this.#cloud],
      ] as const)
        set({ source }, ageMs === undefined ? -1 : ageMs / 1000)
    })
    gauge('mesh_records', 'Records that copilot is to have', ['kind'], (set) => {
      for (const kind of kinds) set({ kind }, this.#published.count(kind))
    })
    gauge('mesh_sync_held', 'Whether a full read is held because it would remove too much', [], (set) => set({}, this.#guard.held ? 1 : 0))
    gauge('mesh_route_conflicts', 'Routes that are not served', [], (set) => set({}, this.#model.conflicts.length))
  }

  async start(): Promise<void> {
    await this.#diego.start()
    await this.#cloud.start()
    await this.#reports.start()
    this.#waiting = this.#doWithoutCloud().catch(() => {})
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await Promise.all([this.#waiting, this.#reports.stop(), this.#cloud.stop(), this.#diego.stop(), this.#sender.stop()])
    await Promise.all([this.#tokens.close(), this.#cc.close(), this.#bbs.close(), this.#copilot.close()])
  }

  #beginOnceRead(): void {
    if (this.#diego.ageMs !== undefined && (this.#cloud.ageMs !== undefined || this.#seeded)) this.#sender.begin()
  }

  /** When Cloud Controller stays away at start, what copilot has of an earlier run stands in for it. */
  async #doWithoutCloud(): Promise<void> {
    const { signal } = this.#stop
    await delay(this.#config.cloudController.patience, undefined, { signal })
    while (this.#cloud.ageMs === undefined && !signal.aborted) {
      try {
        const count = await seedFrom(this.#copilot.own(signal), this.#model)
        this.#log.warn({ records: count }, 'Cloud Controller is away: going on with what copilot has')
        this.#seeded = true
        return this.#beginOnceRead()
      } catch (error) {
        this.#log.warn(`Cloud Controller is away and copilot does not tell what it has: ${messageOf(error)}`)
        await delay(5_000, undefined, { signal })
      }
    }
  }

  #status(): object {
    const { conflicts } = this.#model
    return {
      version,
      ready: Object.values(this.conditions).every((condition) => condition().ready),
      held: this.#guard.held,
      conflicts: conflicts.slice(0, mostConflicts),
      counts: { ...Object.fromEntries(kinds.map((kind) => [kind, this.#published.count(kind)])), conflicts: conflicts.length },
    }
  }
}
