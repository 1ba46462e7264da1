import type { Registry } from 'prom-client'
import type { Ejection } from '../../common/ejection.ts'
import type { Condition } from '../../common/health.ts'
import type { Logger } from '../../common/log.ts'
import { messageOf } from '../../common/problem.ts'
import { typeUrls, type Refusal, type ResourceUpdate } from '../../common/xds/resources.ts'
import { Ejections } from '../ejections.ts'
import type { Engine } from '../engine.ts'
import { compile, type Compiled } from './compile.ts'
import { Listeners } from './listeners.ts'
import { LogSink } from './log-sink.ts'
import type { Shared } from './manager.ts'
import { createEngineMetrics } from './metrics.ts'
import { Secrets } from './secrets.ts'
import type { Cluster, Endpoint } from './upstream/cluster.ts'
import type { Cause } from './upstream/outliers.ts'
import { Routes } from './routing/routes.ts'
import { ClusterTable } from './upstream/cluster-table.ts'

export interface EmbeddedEngineOptions {
  log: Logger
  metrics: Registry
  /** Where access logs go that resources send to `/dev/stdout`; a path stands for standard output itself. */
  accessLog: NodeJS.WritableStream | string
}

/** Resources that are compiled before other work gets a turn. */
const slice = 200

/** An HTTP proxy in TypeScript that is told what to do by the same resources as Envoy. */
export class EmbeddedEngine implements Engine {
  readonly name = 'embedded engine'
  readonly #log: Logger
  readonly #shared: Shared
  readonly #secrets = new Secrets()
  readonly #clusters = new ClusterTable({
    onEjection: (cluster, endpoint, ejected) => this.#ejected(cluster, endpoint, ejected),
    secrets: this.#secrets,
  })
  readonly #listeners: Listeners
  readonly #ejections: Ejections
  #applying: Promise<unknown> = Promise.resolve()

  constructor({ log, metrics, accessLog }: EmbeddedEngineOptions) {
    this.#log = log
    const counters = createEngineMetrics(metrics)
    this.#ejections = new Ejections(metrics)
    this.#shared = {
      clusters: this.#clusters.byName,
      routes: new Routes(),
      secrets: this.#secrets,
      metrics: counters,
      log: new LogSink(typeof accessLog === 'string' ? process.stdout : accessLog, counters, log),
      draining: false,
    }
    this.#listeners = new Listeners(this.#shared, log)
  }

  async start(): Promise<void> {}

  async stop(): Promise<void> {
    this.#listeners.close()
    for (const cluster of this.#clusters.byName.values()) cluster.retire()
    await this.#shared.log.close()
  }

  apply(update: ResourceUpdate): Promise<Refusal[]> {
    const applied = this.#applying.then(() => this.#apply(update))
    this.#applying = applied.catch(() => {})
    return applied
  }

  condition(): Condition {
    return this.#listeners.condition()
  }

  async drain(limit: number): Promise<void> {
    this.#shared.draining = true
    await this.#listeners.drain(limit)
  }

  /** The ports that listeners are bound to, by their names. */
  get ports(): Record<string, number> {
    return this.#listeners.ports
  }

  ejections(): Ejection[] {
    return this.#ejections.list()
  }

  #ejected({ config: { name, outliers } }: Cluster, { key: address, hostname: instance }: Endpoint, cause: Cause | undefined): void {
    this.#log.info({ cluster: name, instance, address, cause }, cause ? 'instance ejected' : 'instance asked again')
    if (!cause) this.#ejections.returned(name, address)
    else if (outliers)
      this.#ejections.ejected(
        { cluster: name, address, instance, cause },
        { interval: outliers.interval, base: outliers.ejectionTime, most: outliers.maxEjectionTime },
      )
  }

  async #apply({ changed, removed }: ResourceUpdate): Promise<Refusal[]> {
    const compiled: Compiled[] = []
    const refusals: Refusal[] = []
    for (const [index, { typeUrl, name, version, any }] of changed.entries()) {
      if (index % slice === slice - 1) await new Promise(setImmediate)
      try {
        compiled.push(compile(typeUrl, name, version, any.value))
      } catch (error) {
        refusals.push({ typeUrl, name, version, reason: messageOf(error) })
      }
    }
    this.#commit(compiled, removed)
    refusals.push(...(await this.#listeners.settle()))
    for (const { typeUrl, name, reason } of refusals) this.#log.warn({ typeUrl, name, reason }, 'resource refused')
    this.#shared.metrics.refused += refusals.length
    return refusals
  }

  /** Puts everything in place at once, so that no request sees a half. */
  #commit(compiled: Compiled[], removed: ResourceUpdate['removed']): void {
    const { secrets, routes } = this.#shared
    for (const resource of compiled) {
      switch (resource.kind) {
        case 'secret':
          secrets.set(resource.name, resource.value)
          break
        case 'cluster':
          this.#clusters.set(resource.value)
          break
        case 'endpoint':
          this.#clusters.setEndpoints(resource.name, resource.value)
          break
        case 'route':
          routes.set(resource.name, resource.value)
          break
        case 'scope':
          routes.setScope(resource.name, resource.value)
          break
        case 'listener':
          this.#listeners.set(resource.value, resource.version)
          break
      }
    }
    for (const { typeUrl, name } of removed) {
      switch (typeUrl) {
        case typeUrls.secret:
          secrets.delete(name)
          break
        case typeUrls.cluster:
          this.#clusters.delete(name)
          break
        case typeUrls.endpoint:
          this.#clusters.deleteEndpoints(name)
          break
        case typeUrls.route:
          routes.delete(name)
          break
        case typeUrls.scope:
          routes.deleteScope(name)
          break
        case typeUrls.listener:
          this.#listeners.delete(name)
          break
      }
    }
    for (const { name } of [...compiled, ...removed]) {
      this.#ejections.keep(name, () => {
        const cluster = this.#clusters.byName.get(name)
        return cluster?.outliers ? cluster.endpoints.map(({ key }) => key) : []
      })
    }
  }
}
