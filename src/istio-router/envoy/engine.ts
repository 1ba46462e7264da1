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
import type { Refusal, ResourceUpdate } from '../../common/xds/resources.ts'
import { DeltaServer } from '../../common/xds/server.ts'
import type { RouterConfig } from '../config.ts'
import { Ejections } from '../ejections.ts'
import type { Engine } from '../engine.ts'
import { Admin } from './admin.ts'
import { findEnvoy } from './binary.ts'
import { bootstrap } from './bootstrap.ts'
import { LastGood } from './last-good.ts'
import { InstanceServer } from './instances.ts'
import { OutlierLog } from './outlier-log.ts'
import { EnvoyProcess } from './process.ts'

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
  readonly #instances = new InstanceServer((typeUrl, name) => this.#cache.get(typeUrl, name))
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
    })
    this.#ejections = new Ejections(options.metrics)
    this.#outliers = new OutlierLog({ cache: this.#cache, ejections: this.#ejections, log: options.log })
    const restarts = (): number => this.#process?.restarts ?? 0
    options.metrics.registerMetric(
      new Gauge({
        name: 'mesh_router_envoy_restarts',
        help: 'How often Envoy ended by itself and was started again',
        registers: [],
        collect() {
          this.set(restarts())
        },
      }),
    )
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
      outliers: join(folder, 'outliers'),
    }
    const file = join(folder, 'envoy.json')
    writeFileSync(file, JSON.stringify(bootstrap(config, sockets)), { mode: 0o600 })
    await this.#server.listen(`unix:${sockets.ads}`, ServerCredentials.createInsecure())
    chmodSync(sockets.ads, 0o600)
    await this.#instances.listen(sockets.instances)
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
    this.#process = new EnvoyProcess({ binary, args, folder, log, onExit: () => this.#ejections.forget() })
    this.#admin = new Admin(sockets.admin)
    await this.#process.start()
    this.#watching = this.#watch(this.#admin, this.#process)
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#watching
    await this.#process?.stop()
    await this.#admin?.close()
    this.#server.close()
    this.#instances.close()
    this.#outliers.close()
    if (this.#folder) rmSync(this.#folder, { recursive: true, force: true })
  }

  /** Resolves once Envoy has answered; while Envoy is away it waits for its return. */
  async apply(update: ResourceUpdate): Promise<Refusal[]> {
    const { changed } = update
    this.#good.apply(update)
    await this.#server.settled(AbortSignal.any([this.#stop.signal, AbortSignal.timeout(answerWithin)]))
    return this.#good.settle(changed)
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

  #refused(refusals: Refusal[]): void {
    const late = this.#good.refuse(refusals)
    if (late.length) this.#listeners(late)
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
