import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ServerCredentials } from '@grpc/grpc-js'
import { Gauge, type Registry } from 'prom-client'
import type { Ejection } from '../../common/ejection.ts'
import type { Condition } from '../../common/health.ts'
import type { Logger } from '../../common/log.ts'
import { messageOf } from '../../common/problem.ts'
import { ResourceCache } from '../../common/xds/cache.ts'
import { typeUrls, type Refusal, type ResourceUpdate } from '../../common/xds/resources.ts'
import { DeltaServer } from '../../common/xds/server.ts'
import type { RouterConfig } from '../config.ts'
import { Ejections } from '../ejections.ts'
import type { Engine } from '../engine.ts'
import { Admin } from './admin.ts'
import { findEnvoy } from './binary.ts'
import { bootstrap } from './bootstrap.ts'
import { LastGood } from './last-good.ts'
import { instances } from './instances.ts'
import { hosts, Loading, unmarked } from './loading.ts'
import { OutlierLog } from './outlier-log.ts'
import { EnvoyProcess } from './process.ts'
import { SocketServer } from './socket-server.ts'

export interface EnvoyEngineOptions {
  config: Pick<RouterConfig, 'name' | 'envoy'>
  log: Logger
  metrics: Registry
}

/** Milliseconds that an update waits for Envoy's answer before it counts as accepted. */
const answerWithin = 30_000

/** Envoy as the engine: supervises it, and feeds it by delta ADS on a Unix socket. */
export class EnvoyEngine implements Engine {
  readonly name = 'envoy'
  readonly #options: EnvoyEngineOptions
  readonly #cache = new ResourceCache()
  readonly #good = new LastGood(this.#cache)
  readonly #stop = new AbortController()
  readonly #server: DeltaServer
  readonly #loading: Loading
  readonly #answers: { instances: SocketServer; hosts: SocketServer }
  readonly #ejections: Ejections
  readonly #outliers: OutlierLog
  #listeners: (refusals: Refusal[]) => void = () => {}
  #process: EnvoyProcess | undefined
  #admin: Admin | undefined
  #folder: string | undefined
  #watching: Promise<void> | undefined
  #state: { live: boolean; listeners: string[]; reason?: string } = { live: false, listeners: [], reason: 'Envoy is starting' }

  constructor(options: EnvoyEngineOptions) {
    this.#options = options
    this.#server = new DeltaServer({
      cache: this.#cache,
      log: options.log,
      metrics: options.metrics,
      onRefused: (_client, refusals) => this.#refused(refusals),
      onAcknowledged: (_client, resources) =>
        this.#loading.answered(resources.filter(({ typeUrl }) => typeUrl === typeUrls.endpoint).map(({ name }) => name)),
    })
    this.#loading = new Loading({
      cache: this.#cache,
      atOnce: options.config.envoy.loadAtOnce,
      give: async (update) => this.#late(await this.#give(update)),
    })
    this.#answers = {
      instances: new SocketServer(instances((typeUrl, name) => this.#cache.get(typeUrl, name))),
      hosts: new SocketServer(hosts(this.#loading)),
    }
    this.#ejections = new Ejections(options.metrics)
    this.#outliers = new OutlierLog({ cache: this.#cache, ejections: this.#ejections, log: options.log })
    this.#observe('mesh_router_envoy_restarts', 'How often Envoy ended by itself and was started again', () => this.#process?.restarts ?? 0)
    this.#observe('mesh_router_loading_hosts', 'Hosts that Envoy is still to be given while it serves', () => this.#loading.left)
  }

  /** Starts Envoy. Throws `EnvoyMissing` where there is no binary. */
  async start(): Promise<void> {
    const { config, log } = this.#options
    const binary = findEnvoy(config.envoy.path)
    // Not in the cache folder, since a Unix socket's path may have 107 bytes at most.
    const folder = (this.#folder = mkdtempSync(join(tmpdir(), 'istio-router-')))
    const sockets = {
      ads: join(folder, 'ads'),
      admin: join(folder, 'admin'),
      instances: join(folder, 'instances'),
      hosts: join(folder, 'hosts'),
      outliers: join(folder, 'outliers'),
    }
    const file = join(folder, 'envoy.json')
    writeFileSync(file, JSON.stringify(bootstrap(config, sockets)), { mode: 0o600 })
    await this.#server.listen(`unix:${sockets.ads}`, ServerCredentials.createInsecure())
    chmodSync(sockets.ads, 0o600)
    await this.#answers.instances.listen(sockets.instances)
    await this.#answers.hosts.listen(sockets.hosts)
    this.#outliers.open(sockets.outliers)

    // The access log is written each second, in place of Envoy's ten. Fields of a newer pilot are passed over without a warning, since to
    // look for them is a tenth of the time that a cluster takes.
    const args = [
      '--config-path',
      file,
      '--disable-hot-restart',
      '--ignore-unknown-dynamic-fields',
      '--file-flush-interval-msec',
      '1000',
      '--log-level',
      config.envoy.logLevel,
    ]
    if (config.envoy.concurrency) args.push('--concurrency', String(config.envoy.concurrency))
    this.#process = new EnvoyProcess({ binary, args, folder, log, onExit: () => this.#ended() })
    this.#admin = new Admin(sockets.admin)
    await this.#process.start()
    this.#watching = this.#watch(this.#admin, this.#process)
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    this.#loading.stop()
    await this.#watching
    await this.#process?.stop()
    await this.#admin?.close()
    this.#server.close()
    this.#answers.instances.close()
    this.#answers.hosts.close()
    this.#outliers.close()
    if (this.#folder) rmSync(this.#folder, { recursive: true, force: true })
  }

  /**
   * Resolves once Envoy has answered; while Envoy is away it waits for its return. What is refused of clusters that Envoy is given later
   * is told to `onRefused`.
   */
  async apply(update: ResourceUpdate): Promise<Refusal[]> {
    return unmarked(await this.#give(this.#loading.divide(update)))
  }

  onRefused(listener: (refusals: Refusal[]) => void): void {
    this.#listeners = listener
  }

  condition(): Condition {
    const { live, listeners, reason } = this.#state
    return {
      ready: live && listeners.length > 0,
      reason,
      engine: 'envoy',
      listeners,
      ...(this.#loading.left ? { loading: this.#loading.left } : {}),
      restarts: this.#process?.restarts ?? 0,
      pid: this.#process?.pid,
    }
  }

  ejections(): Ejection[] {
    return this.#ejections.list()
  }

  async drain(limit: number): Promise<void> {
    const admin = this.#admin
    if (!admin || this.#process?.down) return
    const end = Date.now() + limit
    try {
      await admin.drain()
      while ((await admin.activeRequests()) > 0 && Date.now() < end) await delay(250)
    } catch (error) {
      this.#options.log.warn({ reason: messageOf(error) }, 'Envoy cannot be drained')
    }
  }

  #observe(name: string, help: string, value: () => number): void {
    this.#options.metrics.registerMetric(
      new Gauge({
        name,
        help,
        registers: [],
        collect() {
          this.set(value())
        },
      }),
    )
  }

  async #give(update: ResourceUpdate): Promise<Refusal[]> {
    this.#good.apply(update)
    await this.#server.settled(AbortSignal.any([this.#stop.signal, AbortSignal.timeout(answerWithin)]))
    return this.#good.settle(update.changed)
  }

  #refused(refusals: Refusal[]): void {
    this.#late(this.#good.refuse(refusals))
    this.#loading.answered(refusals.map(({ name }) => name))
  }

  #late(refusals: Refusal[]): void {
    if (refusals.length) this.#listeners(unmarked(refusals))
  }

  /** Envoy has ended, and a new one will have nothing. */
  #ended(): void {
    this.#ejections.forget()
    this.#loading.restart((resource) => this.#good.tries(resource))
  }

  /** Looks again and again whether Envoy is ready. */
  async #watch(admin: Admin, process: EnvoyProcess): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      this.#state = await this.#look(admin, process)
      await delay(this.#state.reason ? 100 : 1000, undefined, { signal }).catch(() => {})
    }
  }

  async #look(admin: Admin, process: EnvoyProcess): Promise<{ live: boolean; listeners: string[]; reason?: string }> {
    if (process.down) return { live: false, listeners: [], reason: `Envoy is down: ${process.down}` }
    try {
      const state = await admin.state()
      if (state !== 'LIVE') return { live: false, listeners: [], reason: `Envoy is ${state.toLowerCase()}` }
      const listeners = await admin.listeners()
      return { live: true, listeners, reason: listeners.length ? undefined : 'there is no listener yet' }
    } catch {
      return { live: false, listeners: [], reason: 'Envoy is starting' }
    }
  }
}
