import type { JsonObject } from '@bufbuild/protobuf'
import type { Balancer } from '../balancing/balancer.ts'
import { byLocality } from '../balancing/localities.ts'
import type { SlowStart } from '../resources/balancing.ts'
import type { ClusterConfig } from '../resources/cluster.ts'
import type { EndpointConfig } from '../resources/endpoints.ts'
import type { Secrets } from '../secrets.ts'
import type { Pool } from './attempt.ts'
import { Http1Pool } from './http1.ts'
import { Http2Pool } from './http2.ts'
import { HealthChecks } from './health-checks.ts'
import { askerOf } from './health-questions.ts'
import { Names } from './names.ts'
import { Health, Outliers, type Cause } from './outliers.ts'

/** Told of each endpoint that is left out for a while, and when it is asked again. */
export type OnEjection = (cluster: Cluster, endpoint: Endpoint, ejected: Cause | undefined) => void

/** What all clusters have in common. */
export interface ClusterContext {
  onEjection: OnEjection
  secrets: Secrets
}

/** One endpoint of one cluster. Its connections are made when the first request needs them. */
export class Endpoint {
  readonly address: string
  readonly port: number
  readonly hostname: string
  readonly key: string
  readonly health = new Health()
  metadata: Record<string, JsonObject>
  priority: number
  locality: string
  localityWeight: number
  active = 0
  #weight: number
  #slowStart: SlowStart | undefined
  readonly #since = performance.now()
  readonly #pools: { 1?: Pool; 2?: Pool } = {}

  constructor(
    { address, port, hostname, weight, metadata, priority, locality, localityWeight }: EndpointConfig,
    slowStart: SlowStart | undefined,
  ) {
    this.address = address
    this.port = port
    this.hostname = hostname
    this.key = `${address}:${port}`
    this.metadata = metadata
    this.priority = priority
    this.locality = locality
    this.localityWeight = localityWeight
    this.#weight = weight
    this.#slowStart = slowStart
  }

  /** Its share now: less than it is given as long as it warms up. */
  get weight(): number {
    if (!this.#slowStart) return this.#weight
    const { window, aggression, minimum } = this.#slowStart
    const passed = Math.max(1000, performance.now() - this.#since) / window
    if (passed < 1) return this.#weight * Math.max(minimum, passed ** (1 / aggression))
    this.#slowStart = undefined
    return this.#weight
  }

  get healthy(): boolean {
    return this.health.healthy
  }

  /** Takes what has changed of it. */
  update({ weight, metadata, priority, locality, localityWeight }: EndpointConfig): void {
    this.#weight = weight
    this.metadata = metadata
    this.priority = priority
    this.locality = locality
    this.localityWeight = localityWeight
  }

  /** Its connections of a version of HTTP. */
  pool(version: 1 | 2, cluster: ClusterConfig, secrets: Secrets): Pool {
    const { address, port, hostname } = this
    return (this.#pools[version] ??= new (version === 2 ? Http2Pool : Http1Pool)({ address, port, hostname, cluster, secrets }))
  }

  /** Lets its connections end with what is in flight on them; later requests get new ones. */
  retire(): void {
    for (const version of [1, 2] as const) {
      this.#pools[version]?.retire()
      delete this.#pools[version]
    }
  }
}

/** A cluster as requests see it. What is in flight keeps the endpoint and connection that it has, whatever is replaced. */
export class Cluster {
  config: ClusterConfig
  /** Requests in flight, and of those the ones that are retries. */
  active = 0
  retrying = 0
  outliers: Outliers<Endpoint> | undefined
  readonly #onEjection: OnEjection
  readonly #secrets: Secrets
  #checks: HealthChecks<Endpoint> | undefined
  #endpoints: Endpoint[] = []
  #balancer: Balancer<Endpoint> | undefined
  #names: Names | undefined
  #connections = 0
  readonly #pending: (() => void)[] = []
  /** Requests that have their place and wait until their connection is made; counted where that is limited. */
  connecting = 0

  constructor(config: ClusterConfig, { onEjection, secrets }: ClusterContext) {
    this.config = config
    this.#onEjection = onEjection
    this.#secrets = secrets
    this.#follow()
  }

  get endpoints(): readonly Endpoint[] {
    return this.#endpoints
  }

  /** Takes a new configuration; connections go on where nothing that concerns them has changed. */
  update(config: ClusterConfig): void {
    const old = this.config
    this.config = config
    this.#balancer = undefined
    this.#follow()
    if (
      config.tls !== old.tls ||
      config.http !== old.http ||
      config.connectTimeout !== old.connectTimeout ||
      config.keepaliveTime !== old.keepaliveTime
    )
      this.#closeAll()
  }

  setEndpoints(configs: readonly EndpointConfig[]): void {
    const known = new Map(this.#endpoints.map((endpoint) => [keyOf(endpoint), endpoint]))
    this.#endpoints = configs.map((config) => {
      const key = keyOf(config)
      const endpoint = known.get(key)
      if (!endpoint) return new Endpoint(config, this.config.balancer.slowStart)
      known.delete(key)
      endpoint.update(config)
      return endpoint
    })
    this.#balancer = undefined
    this.#checks?.follow(this.#endpoints, true)
    for (const gone of known.values()) gone.retire()
  }

  /** The endpoint whose turn it is; one of `excluded`, or of the priorities that are `avoided`, only where there is no other. */
  pick(excluded: ReadonlySet<Endpoint> | undefined, hash: number | undefined, avoided?: ReadonlySet<number>): Endpoint | undefined {
    this.#balancer ??= byLocality(this.#endpoints, { ...this.config.balancer, overprovisioning: 140 }, this.config.balancer.make)
    return this.#balancer.pick(excluded, hash, avoided) ?? (excluded && this.#balancer.pick(undefined, hash))
  }

  /** The version of HTTP that endpoints are spoken to for a request that came by `protocol`. */
  versionFor(protocol: string): 1 | 2 {
    const { version } = this.config.http
    return version === 'client' ? (protocol === 'HTTP/2' ? 2 : 1) : version
  }

  /** Retries that may be under way at a time. */
  get maxRetries(): number {
    const { retries, budget } = this.config.limits
    return budget ? Math.max(budget.least, budget.share * this.active) : retries
  }

  retire(): void {
    this.outliers?.stop()
    this.#checks?.stop()
    this.#names?.stop()
    this.#closeAll()
  }

  /** Takes up what the configuration says of where endpoints come from and when they are left out. */
  #follow(): void {
    const { endpoints, names, outliers } = this.config
    this.#check()
    this.#names?.stop()
    this.#names = names && new Names(names, (found) => this.setEndpoints(found))
    if (endpoints && !names) this.setEndpoints(endpoints)
    if (outliers && this.outliers) this.outliers.config = outliers
    else {
      this.outliers?.stop()
      this.outliers =
        outliers &&
        new Outliers(
          outliers,
          () => this.#endpoints,
          (endpoint, ejected) => {
            this.#balancer = undefined
            this.#onEjection(this, endpoint, ejected)
          },
        )
    }
    if (!outliers) for (const { health } of this.#endpoints) health.ejectedAt = undefined
  }

  /** Begins the checks anew, where the configuration has some; meanwhile endpoints are as well, or ill, as they were. */
  #check(): void {
    const { healthCheck } = this.config
    this.#checks?.stop()
    if (!healthCheck) for (const { health } of this.#endpoints) health.ill = false
    const asker = ({ address, port, hostname }: Endpoint) =>
      askerOf(healthCheck!.question, { address, port, hostname, cluster: this.config, secrets: this.#secrets })
    this.#checks = healthCheck && new HealthChecks(healthCheck, asker, () => (this.#balancer = undefined))
    this.#checks?.follow(this.#endpoints, false)
  }

  #closeAll(): void {
    for (const endpoint of this.#endpoints) endpoint.retire()
  }

  /**
   * Asks for a place among the connections (an HTTP/1.1 request has one to itself). Calls `ready` at once or when one is free;
   * returns false if too many wait already, for a place or, as it will unless it is `connected`, for their connection to be made.
   * Whoever was called back calls `leave` when done; `cancel` takes back what still waits.
   */
  enter(ready: () => void, version: 1 | 2 = 1, connected = false): boolean {
    const free = version === 2 || this.#connections < this.config.limits.connections
    if (!(free && connected) && this.#pending.length + this.connecting >= this.config.limits.pending) return false
    if (!free) this.#pending.push(ready)
    else {
      this.#connections++
      ready()
    }
    return true
  }

  cancel(ready: () => void): void {
    const at = this.#pending.indexOf(ready)
    if (at >= 0) this.#pending.splice(at, 1)
  }

  leave(): void {
    const next = this.#pending.shift()
    if (next) next()
    else this.#connections--
  }
}

function keyOf({ address, port, hostname }: Pick<EndpointConfig, 'address' | 'port' | 'hostname'>): string {
  return `${address} ${port} ${hostname}`
}
