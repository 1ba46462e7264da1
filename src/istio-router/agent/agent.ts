import { setTimeout as delay } from 'node:timers/promises'
import { fromBinary, type JsonObject } from '@bufbuild/protobuf'
import { credentials } from '@grpc/grpc-js'
import { Gauge, type Registry } from 'prom-client'
import { mostEjections } from '../../common/ejection.ts'
import type { Condition } from '../../common/health.ts'
import type { Part } from '../../common/lifecycle.ts'
import type { Logger } from '../../common/log.ts'
import { ClusterLoadAssignmentSchema } from '../../common/proto/gen/envoy/config/endpoint/v3/endpoint_pb.js'
import { readTls, watchTls } from '../../common/tls.ts'
import { DeltaClient } from '../../common/xds/client.ts'
import { typeName } from '../../common/xds/protocol.ts'
import { typeUrls, type Refusal, type Resource, type ResourceUpdate } from '../../common/xds/resources.ts'
import type { RouterConfig } from '../config.ts'
import type { Engine } from '../engine.ts'
import { routerNode } from './node.ts'
import { FileSecrets } from './secret-files.ts'
import { readSecret, routerSecrets, watchSecrets } from './secrets.ts'
import { ResourceStore } from './store.ts'

const fromPilot = [typeUrls.secret, typeUrls.cluster, typeUrls.endpoint, typeUrls.listener, typeUrls.scope, typeUrls.route]

/** How often it is looked whether there is something to report, milliseconds. */
const reportEvery = 500

/** Longest that a router with a last good configuration waits for pilot's word on it before it opens its ports, milliseconds. */
const askWithin = 5_000

/** How often the store is told that what it holds is still pilot's word, milliseconds. */
const confirmEvery = 10_000

/**
 * The one client of pilot on this VM. Hands what pilot sends to the engine, keeps what the engine accepted on disk, and serves the engine
 * the secrets that lie in files. It starts with what is on disk, and its ports open once pilot has said what is new since, or no pilot
 * answers.
 */
export class Agent implements Part {
  readonly name = 'agent'
  readonly #config: RouterConfig
  readonly #engine: Engine
  readonly #log: Logger
  readonly #client: DeltaClient
  /** What the engine accepted, by type. */
  readonly #versions = new Map(fromPilot.map((typeUrl) => [typeUrl as string, new Map<string, string>()]))
  readonly #refused = new Map<string, Refusal>()
  readonly #cleanups: (() => void)[] = []
  readonly #files = new FileSecrets((secret) => {
    // Pilot, which was told that it is refused, hears so that it is not any more.
    if (this.#refused.has(key(secret))) this.#client.ask(secret)
    this.#renew(secret)
  })
  /** Listeners from disk that wait for pilot's word, by name. */
  readonly #held = new Map<string, Resource>()
  #store: ResourceStore | undefined
  #confirmedAt: Date | undefined
  #reported = ''

  constructor({ config, engine, log, metrics }: { config: RouterConfig; engine: Engine; log: Logger; metrics: Registry }) {
    this.#config = config
    this.#engine = engine
    this.#log = log
    const node = routerNode(config)
    this.#client = new DeltaClient({
      addresses: config.pilot.addresses,
      log,
      metrics,
      connect: () => {
        const { cert, key, ca } = readTls(config.pilot.tls)
        const subscriptions = [...this.#versions].map(([typeUrl, versions]) => ({ typeUrl, versions }))
        return { credentials: credentials.createSsl(ca, key, cert), serverName: config.pilot.serverName, node, subscriptions }
      },
      apply: (update) => this.#apply(update),
      held: ({ typeUrl, name }) => (typeUrl === typeUrls.route ? (this.#store?.get(typeUrl, name) ?? new Uint8Array()) : undefined),
    })
    this.#observe(metrics)
  }

  /**
   * Reads the secrets and the last good resources, gives them to the engine, and begins to follow pilot. Throws if a secret's file is
   * unusable.
   */
  async start(): Promise<void> {
    const secrets = routerSecrets(this.#config)
    const store = (this.#store = ResourceStore.open(this.#config.cache, this.#log))
    this.#confirmedAt = store.confirmedAt()
    const kept = store.load()
    for (const resource of kept) {
      this.#versions.get(resource.typeUrl)?.set(resource.name, resource.version)
      if (resource.typeUrl === typeUrls.listener) this.#held.set(resource.name, resource)
    }
    if (kept.length) this.#log.info({ resources: kept.length, confirmedAt: this.#confirmedAt }, 'starting with the last good configuration')
    void this.#give({ changed: [...secrets.map(readSecret), ...kept.filter(({ typeUrl }) => typeUrl !== typeUrls.listener)], removed: [] })

    this.#engine.onRefused?.((refusals) => this.#forget(refusals))
    const confirming = setInterval(() => {
      this.#confirm()
      store.flush()
    }, confirmEvery)
    const reporting = setInterval(() => this.#report(), reportEvery)
    this.#cleanups.push(
      () => clearInterval(confirming),
      () => clearInterval(reporting),
      watchSecrets(secrets, (secret) => this.#renew(secret)),
      watchTls(this.#config.pilot.tls, () => this.#client.renew()),
    )
    this.#report()
    await this.#client.start()
    void this.#listen()
  }

  async stop(): Promise<void> {
    for (const cleanup of this.#cleanups) cleanup()
    this.#held.clear()
    this.#files.stop()
    this.#confirm()
    await this.#client.stop()
    this.#store?.close()
    this.#store = undefined
  }

  /** Always ready: with pilot away the router serves its last good configuration. Tells how old that is. */
  condition(): Condition {
    const pilot = this.#client.status()
    const refused = [...this.#refused.values()]
      .slice(0, 100)
      .map((refusal) => ({ ...refusal, typeUrl: undefined, type: typeName(refusal.typeUrl) }))
    const reasons = [
      ...(pilot.connected
        ? []
        : [`no pilot answers (${pilot.reason}); serving the configuration of ${this.#confirmedAt?.toISOString() ?? 'never'}`]),
      ...(refused.length ? [`${this.#refused.size} resources are refused`] : []),
    ]
    return { ready: true, reason: reasons.join('; ') || undefined, pilot, age: this.#age(), refused }
  }

  /** What the engine accepted under a cluster's name: its version, and the instances that it sends to. */
  accepted(cluster: string): { version?: string; instances: string[] } {
    const bytes = this.#store?.get(typeUrls.endpoint, cluster)
    const endpoints = bytes ? fromBinary(ClusterLoadAssignmentSchema, bytes).endpoints.flatMap(({ lbEndpoints }) => lbEndpoints) : []
    const instances = endpoints.flatMap(({ hostIdentifier }) => (hostIdentifier.case === 'endpoint' ? [hostIdentifier.value.hostname] : []))
    return { version: this.#versions.get(typeUrls.cluster)?.get(cluster), instances }
  }

  /** Opens the ports that the last good configuration has, as soon as that is pilot's word, or pilot has none. */
  async #listen(): Promise<void> {
    await Promise.race([this.#client.heard, delay(askWithin, undefined, { ref: false })])
    const changed = [...this.#held.values()]
    this.#held.clear()
    if (changed.length) await this.#give({ changed, removed: [] })
  }

  async #apply(update: ResourceUpdate): Promise<Refusal[]> {
    for (const { typeUrl, name } of [...update.changed, ...update.removed]) if (typeUrl === typeUrls.listener) this.#held.delete(name)
    const { changed, refused: unreadable } = this.#files.read(update.changed, update.removed)
    const refusals = [...unreadable, ...(await this.#engine.apply({ changed, removed: update.removed }))]
    const refused = new Set(refusals.map(key))
    const accepted = {
      changed: refused.size ? update.changed.filter((resource) => !refused.has(key(resource))) : update.changed,
      removed: update.removed,
    }
    for (const { typeUrl, name, version } of accepted.changed) this.#versions.get(typeUrl)?.set(name, version)
    for (const { typeUrl, name } of accepted.removed) this.#versions.get(typeUrl)?.delete(name)
    if (this.#refused.size) for (const resource of [...accepted.changed, ...accepted.removed]) this.#refused.delete(key(resource))
    this.#refuse(refusals)
    this.#confirm()
    this.#store?.write(accepted)
    return refusals
  }

  #renew(secret: Resource): void {
    this.#log.info({ secret: secret.name }, 'certificate files changed')
    void this.#give({ changed: [secret], removed: [] })
  }

  /** Gives the engine what doesn't come from pilot. */
  async #give(update: ResourceUpdate): Promise<void> {
    try {
      const refusals = await this.#engine.apply(update)
      for (const resource of update.changed) this.#refused.delete(key(resource))
      this.#forget(refusals)
    } catch (error) {
      this.#log.error({ err: error }, 'the engine failed')
    }
  }

  /** Drops what had been accepted once and is unusable now, and tells pilot of what it sent, so that it sends that again when it next can. */
  #forget(refusals: Refusal[]): void {
    this.#refuse(refusals)
    this.#client.refuse(refusals.filter(({ typeUrl, name }) => this.#versions.get(typeUrl)?.delete(name)))
    this.#store?.write({ changed: [], removed: refusals })
  }

  #refuse(refusals: Refusal[]): void {
    for (const refusal of refusals) {
      this.#refused.set(key(refusal), refusal)
      this.#log.warn(
        { type: typeName(refusal.typeUrl), name: refusal.name, version: refusal.version, reason: refusal.reason },
        'the engine refused a resource',
      )
    }
  }

  /** Tells pilot who is ejected, when that is another list than before. */
  #report(): void {
    const ejections = this.#engine.ejections()
    const report: JsonObject = { ejected: ejections.length, ejections: ejections.slice(0, mostEjections) }
    const text = JSON.stringify(report)
    if (text === this.#reported) return
    this.#reported = text
    this.#client.report(report)
  }

  #confirm(): void {
    if (!this.#client.status().connected) return
    this.#confirmedAt = new Date()
    this.#store?.confirm(this.#confirmedAt)
  }

  /** Seconds since the configuration was pilot's word; 0 while connected, undefined if it never was. */
  #age(): number | undefined {
    if (this.#client.status().connected) return 0
    return this.#confirmedAt && (Date.now() - this.#confirmedAt.getTime()) / 1000
  }

  #observe(metrics: Registry): void {
    const registers: Registry[] = []
    const age = (): number => this.#age() ?? NaN
    const refused = (): number => this.#refused.size
    const versions = this.#versions
    metrics.registerMetric(
      new Gauge({
        name: 'mesh_router_configuration_age_seconds',
        help: 'Time since pilot last confirmed the configuration; 0 while connected',
        registers,
        collect() {
          this.set(age())
        },
      }),
    )
    metrics.registerMetric(
      new Gauge({
        name: 'mesh_router_refused_resources',
        help: 'Resources that the engine refuses',
        registers,
        collect() {
          this.set(refused())
        },
      }),
    )
    metrics.registerMetric(
      new Gauge({
        name: 'mesh_router_resources',
        help: 'Resources that the engine accepted',
        labelNames: ['type'],
        registers,
        collect() {
          for (const [typeUrl, names] of versions) this.set({ type: typeName(typeUrl) }, names.size)
        },
      }),
    )
  }
}

function key({ typeUrl, name }: Pick<Resource, 'typeUrl' | 'name'>): string {
  return `${typeUrl} ${name}`
}
