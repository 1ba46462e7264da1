import type { JsonObject } from '@bufbuild/protobuf'
import { balancers, type Balancer } from '../balancing/balancer.ts'
import type { ClusterConfig } from '../resources/cluster.ts'
import type { EndpointConfig } from '../resources/endpoints.ts'
import type { Secrets } from '../secrets.ts'
import type { Pool } from './attempt.ts'
import { Http1Pool } from './http1.ts'
import { Http2Pool } from './http2.ts'

/** One endpoint of one cluster. Its connections are made when the first request needs them. */
export class Endpoint {
  readonly address: string
  readonly port: number
  readonly hostname: string
  weight: number
  metadata: Record<string, JsonObject>
  active = 0
  #pool: Pool | undefined

  constructor({ address, port, hostname, weight, metadata }: EndpointConfig) {
    this.address = address
    this.port = port
    this.hostname = hostname
    this.weight = weight
    this.metadata = metadata
  }

  pool(cluster: ClusterConfig, secrets: Secrets): Pool {
    const { address, port, hostname } = this
    return (this.#pool ??= new (cluster.http.version === 2 ? Http2Pool : Http1Pool)({ address, port, hostname, cluster, secrets }))
  }

  /** Lets its connections end with what is in flight on them; later requests get new ones. */
  retire(): void {
    this.#pool?.retire()
    this.#pool = undefined
  }
}

/** A cluster as requests see it. What is in flight keeps the endpoint and connection that it has, whatever is replaced. */
export class Cluster {
  config: ClusterConfig
  /** Requests in flight, and of those the ones that are retries. */
  active = 0
  retrying = 0
  #endpoints: Endpoint[] = []
  #balancer: Balancer<Endpoint> | undefined
  #connections = 0
  readonly #pending: (() => void)[] = []

  constructor(config: ClusterConfig) {
    this.config = config
    if (config.endpoints) this.setEndpoints(config.endpoints)
  }

  get endpoints(): readonly Endpoint[] {
    return this.#endpoints
  }

  /** Takes a new configuration; connections go on where nothing that concerns them has changed. */
  update(config: ClusterConfig): void {
    const old = this.config
    this.config = config
    this.#balancer = undefined
    if (config.endpoints) this.setEndpoints(config.endpoints)
    if (config.tls !== old.tls || config.http !== old.http || config.connectTimeout !== old.connectTimeout) this.retire()
  }

  setEndpoints(configs: readonly EndpointConfig[]): void {
    const known = new Map(this.#endpoints.map((endpoint) => [keyOf(endpoint), endpoint]))
    this.#endpoints = configs.map((config) => {
      const key = keyOf(config)
      const endpoint = known.get(key)
      if (!endpoint) return new Endpoint(config)
      known.delete(key)
      endpoint.weight = config.weight
      endpoint.metadata = config.metadata
      return endpoint
    })
    this.#balancer = undefined
    for (const gone of known.values()) gone.retire()
  }

  pick(excluded: ReadonlySet<Endpoint> | undefined): Endpoint | undefined {
    this.#balancer ??= balancers[this.config.balancer](this.#endpoints)
    return this.#balancer.pick(excluded)
  }

  retire(): void {
    for (const endpoint of this.#endpoints) endpoint.retire()
  }

  /**
   * Asks for a place among the connections (an HTTP/1.1 request has one to itself). Calls `ready` at once or when one is free;
   * returns false if too many wait already. Whoever was called back calls `leave` when done; `cancel` takes back what still waits.
   */
  enter(ready: () => void): boolean {
    if (this.config.http.version === 2 || this.#connections < this.config.limits.connections) {
      this.#connections++
      ready()
      return true
    }
    if (this.#pending.length >= this.config.limits.pending) return false
    this.#pending.push(ready)
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
