import type { Socket } from 'node:net'
import type { Client } from '../forwarded.ts'
import type { Peer } from '../downstream.ts'
import type { Durations } from '../exchange.ts'
import type { Flag } from '../http/failure.ts'
import type { Logged } from '../http/format.ts'
import { Headers } from '../http/headers.ts'
import type { Shared } from '../manager.ts'
import type { TcpProxyConfig } from '../resources/tcp-proxy.ts'
import { tunnel } from '../tunnel.ts'
import type { Cluster, Endpoint } from '../upstream/cluster.ts'
import { connect } from '../upstream/connect.ts'

const none = new Headers([])

/** One connection of a client and the one to an instance that it is joined with; what the access log reads. */
export class TcpConnection implements Logged {
  readonly startedAt = Date.now()
  readonly peer: Peer
  readonly client: Client
  readonly protocol = undefined
  readonly path = undefined
  readonly originalPath = undefined
  readonly id = undefined
  readonly route = undefined
  readonly localReplyBody = undefined
  readonly status = 0
  readonly responseHeaders = none
  readonly responseTrailers = none
  flags: Flag[] = []
  detail: string | undefined
  transportFailure: string | undefined
  cluster: Cluster | undefined
  endpoint: Endpoint | undefined
  attempts = 0
  bytesReceived = 0
  bytesSent = 0
  readonly #socket: Socket
  readonly #config: TcpProxyConfig
  readonly #shared: Shared
  readonly #ended: () => void
  readonly #start = performance.now()
  #idle: NodeJS.Timeout | undefined
  #waiting: (() => void) | undefined
  #entered = false
  #break: (() => void) | undefined
  #done = false

  /** `ended` is called once, when both connections are gone. */
  constructor(socket: Socket, peer: Peer, config: TcpProxyConfig, shared: Shared, ended: () => void) {
    this.#socket = socket
    this.#config = config
    this.#shared = shared
    this.#ended = ended
    this.peer = peer
    this.client = { address: peer.remoteAddress, port: peer.remotePort }
    // Each direction ends by itself.
    socket.allowHalfOpen = true
    socket.on('close', () => this.#finish())
  }

  get durations(): Durations {
    return { total: Math.round(performance.now() - this.#start), request: undefined, response: undefined, transmission: undefined }
  }

  requestHeader(): undefined {
    return undefined
  }

  /** Chooses a cluster and an endpoint, and connects. */
  start(): void {
    this.cluster = this.#shared.clusters.get(this.#config.clusterOf())
    const endpoint = this.cluster?.pick(undefined, undefined)
    if (!this.cluster || !endpoint) {
      this.#fail(this.cluster ? 'UH' : 'NC', this.cluster ? 'no_healthy_upstream' : 'cluster_not_found')
      return
    }
    const ready = (): void => {
      this.#waiting = undefined
      this.#entered = true
      this.#connect(this.cluster!, endpoint)
    }
    this.#waiting = ready
    if (this.cluster.enter(ready)) return
    this.#waiting = undefined
    this.#shared.metrics.overflows++
    this.#fail('UO', 'overflow')
  }

  close(): void {
    this.#break?.()
    this.#socket.destroy()
  }

  #connect(cluster: Cluster, endpoint: Endpoint): void {
    const { address, port, hostname } = endpoint
    this.attempts++
    this.endpoint = endpoint
    endpoint.active++
    cluster.connecting++
    connect({ address, port, hostname, cluster: cluster.config, secrets: this.#shared.secrets }, undefined, (error, upstream) => {
      cluster.connecting--
      if (this.#done) {
        upstream?.destroy()
      } else if (upstream) {
        this.#join(upstream)
      } else {
        cluster.outliers?.failed(endpoint)
        this.#shared.metrics.connectFailures++
        this.transportFailure = error?.message
        this.#fail('UF', 'upstream_connection_failure')
      }
    })
  }

  #join(upstream: Socket): void {
    upstream.allowHalfOpen = true
    const { idleTimeout } = this.#config
    if (idleTimeout > 0) this.#idle = setTimeout(() => this.close(), idleTimeout)
    const passed = (): void => void this.#idle?.refresh()
    this.#break = tunnel(this.#socket, upstream, {
      received: (bytes) => {
        this.bytesReceived += bytes
        passed()
      },
      sent: (bytes) => {
        this.bytesSent += bytes
        passed()
      },
      closed: () => this.#finish(),
    })
  }

  #fail(flag: Flag, detail: string): void {
    this.flags.push(flag)
    this.detail = detail
    this.#socket.destroy()
  }

  #finish(): void {
    if (this.#done) return
    this.#done = true
    clearTimeout(this.#idle)
    if (this.#waiting) this.cluster?.cancel(this.#waiting)
    if (this.#entered) this.cluster?.leave()
    if (this.endpoint) this.endpoint.active--
    this.#break?.()
    for (const { path, wanted, line } of this.#config.accessLogs) if (wanted(this)) this.#shared.log.write(path, line(this))
    this.#ended()
  }
}
