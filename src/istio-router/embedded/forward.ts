import type { Duplex } from 'node:stream'
import type { Exchange } from './exchange.ts'
import type { Failure } from './http/failure.ts'
import { Headers, isHopByHop, removeNominated } from './http/headers.ts'
import { keptLimit } from './mirror.ts'
import type { Action } from './routing/route.ts'
import type { Attempt, AttemptEvents, RequestBody } from './upstream/attempt.ts'
import type { Cluster, Endpoint } from './upstream/cluster.ts'

/** What a request carries besides its headers. */
export interface Payload {
  body: RequestBody | undefined
  expectContinue: boolean
  upgrade: string | undefined
}

/** Brings one request to an endpoint of a cluster, and to another where the first one fails and the route allows it. */
export class Forward implements AttemptEvents {
  readonly #exchange: Exchange
  readonly #cluster: Cluster
  readonly #action: Action
  readonly #payload: Payload
  #entered = false
  #connecting = false
  #retrying = false
  /** Priorities that were tried, and those that are left out now. */
  #asked: number[] | undefined
  #left: ReadonlySet<number> | undefined
  #responded = false
  /** The endpoint whose turn it is; it counts as busy. */
  #trying: Endpoint | undefined
  #attempt: Attempt | undefined
  #waiting: (() => void) | undefined
  #timer: NodeJS.Timeout | undefined
  #tried: Set<Endpoint> | undefined
  #failure: Failure | undefined
  #keptBytes = 0

  constructor(exchange: Exchange, cluster: Cluster, action: Action, payload: Payload) {
    this.#exchange = exchange
    this.#cluster = cluster
    this.#action = action
    if (action.retries?.keepsBody && payload.body) payload.body.kept = []
    this.#payload = payload
  }

  start(): void {
    if (this.#cluster.active >= this.#cluster.config.limits.requests) {
      this.#overflow()
      return
    }
    this.#cluster.active++
    this.#entered = true
    this.#try()
  }

  /** The client takes more of the response again. */
  resume(): void {
    this.#attempt?.resume()
  }

  /** Gives up whatever is under way and gives back what is held; nothing happens if all is over. */
  stop(): void {
    if (!this.#entered) return
    this.#entered = false
    this.#cluster.active--
    if (this.#retrying) this.#cluster.retrying--
    if (this.#waiting) this.#cluster.cancel(this.#waiting)
    const attempt = this.#attempt
    this.#endTry()
    attempt?.abort()
  }

  connected(): void {
    if (!this.#connecting) return
    this.#connecting = false
    this.#cluster.connecting--
  }

  informational(status: number, list: string[]): void {
    if (this.#responded) return
    const headers = new Headers(list)
    headers.removeWhere(isHopByHop)
    this.#exchange.informational(status, headers.list)
  }

  head(status: number, list: string[], ended: boolean): boolean {
    const headers = new Headers(list)
    this.#cluster.outliers?.answered(this.#trying!, status, headers)
    if (this.#action.retries?.onResponse?.(status, headers) && this.#mayRetry()) {
      this.#retry()
      return true
    }
    this.#responded = true
    clearTimeout(this.#timer)
    const connection = headers.get('connection')
    if (connection !== undefined) removeNominated(headers, connection)
    headers.removeWhere(isHopByHop)
    if (status === 204) headers.remove('content-length')
    for (const filter of this.#exchange.manager.config.chain.upstream) filter.response?.(headers, this.#exchange)
    this.#exchange.respond(status, headers, ended ? Buffer.alloc(0) : undefined)
    return true
  }

  /** The time for the whole request is over. */
  timedOut(): void {
    if (this.#trying && !this.#responded) this.#cluster.outliers?.failed(this.#trying)
  }

  /** A chunk of the request's body is on its way for the first time. */
  passed(chunk: Buffer): void {
    const { body } = this.#payload
    if (!body?.kept) return
    this.#keptBytes += chunk.length
    if (this.#keptBytes > keptLimit) body.kept = undefined
    else body.kept.push(chunk)
  }

  data(chunk: Buffer): boolean {
    return this.#exchange.write(chunk)
  }

  end(trailers: string[]): void {
    this.#attempt = undefined
    this.#exchange.end(trailers)
  }

  fail(failure: Failure): void {
    const { metrics } = this.#exchange.manager.shared
    if (failure.flag === 'UF') metrics.connectFailures++
    this.#attempt = undefined
    this.#failure = failure
    if (this.#trying && !this.#responded) this.#cluster.outliers?.failed(this.#trying)
    this.#exchange.transportFailure = failure.detail
    if (!this.#responded && this.#action.retries?.onFailure(failure) && this.#mayRetry()) this.#retry()
    else this.#giveUp(failure)
  }

  upgraded(list: string[], socket: Duplex): void {
    this.#responded = true
    this.#attempt = undefined
    clearTimeout(this.#timer)
    const headers = new Headers(list)
    headers.removeWhere((name) => name !== 'upgrade' && isHopByHop(name))
    for (const filter of this.#exchange.manager.config.chain.upstream) filter.response?.(headers, this.#exchange)
    this.#exchange.tunnel(headers, socket)
  }

  #try(): void {
    const { wanted } = this.#exchange
    const endpoint = this.#wanted() ?? (wanted?.refuse ? undefined : this.#cluster.pick(this.#tried, this.#hash(), this.#left))
    if (!endpoint) {
      if (this.#failure) this.#giveUp(this.#failure)
      else if (wanted?.refuse) wanted.refuse()
      else this.#exchange.reply(503, 'no healthy upstream', 'UH', 'no_healthy_upstream')
      return
    }
    this.#exchange.endpoint = endpoint
    const ready = (): void => {
      this.#waiting = undefined
      this.#send(endpoint)
    }
    this.#waiting = ready
    const version = this.#cluster.versionFor(this.#exchange.protocol)
    if (this.#cluster.enter(ready, version, !this.#mustConnect(endpoint, version))) return
    this.#waiting = undefined
    this.#overflow()
  }

  /** Whether it has to wait for a new connection, which is of interest only where such are limited. */
  #mustConnect(endpoint: Endpoint, version: 1 | 2): boolean {
    const { config } = this.#cluster
    return (
      config.limits.pending !== Infinity &&
      !endpoint.pool(version, config, this.#exchange.manager.shared.secrets).hasConnection(this.#payload)
    )
  }

  /** By what endpoints are chosen: the cluster's own policy, else the route's. */
  #hash(): number | undefined {
    return (this.#cluster.config.balancer.hash ?? this.#action.hash)?.(this.#exchange)
  }

  /** The endpoint that the request asks for; only the first try goes there. */
  #wanted(): Endpoint | undefined {
    return this.#retrying ? undefined : this.#exchange.wanted?.find(this.#cluster)
  }

  #send(endpoint: Endpoint): void {
    const exchange = this.#exchange
    const { config, shared } = exchange.manager
    exchange.attempts++
    this.#trying = endpoint
    endpoint.active++
    const headers = exchange.headers.copy()
    for (const filter of config.chain.upstream) filter.request?.(headers, exchange)
    exchange.sentHeaders = headers
    const { method, path, authority, scheme } = exchange
    const { body, expectContinue, upgrade } = this.#payload
    const limit = this.#action.retries?.perTryTimeout
    if (limit) this.#timer = setTimeout(() => this.#timeOut(), limit)
    const version = this.#cluster.versionFor(exchange.protocol)
    this.#connecting = this.#mustConnect(endpoint, version)
    if (this.#connecting) this.#cluster.connecting++
    const attempt = endpoint
      .pool(version, this.#cluster.config, shared.secrets)
      .send({ method, path, authority, scheme, headers: headers.list, body, expectContinue, upgrade }, this)
    if (this.#trying === endpoint) this.#attempt = attempt
  }

  #timeOut(): void {
    const attempt = this.#attempt
    this.#attempt = undefined
    attempt?.abort()
    this.timedOut()
    if (this.#action.retries?.onFailure({ flag: 'UC', unsent: false, detail: 'per_try_timeout' }) && this.#mayRetry()) this.#retry()
    else this.#exchange.reply(504, 'upstream request timeout', 'UT', 'upstream_per_try_timeout')
  }

  /** A request can be sent again as long as its body is untouched or has been kept, and there are tries left. */
  #mayRetry(): boolean {
    const { body } = this.#payload
    const room = this.#retrying || this.#cluster.retrying < this.#cluster.maxRetries
    return (
      room &&
      !this.#exchange.wanted?.refuse &&
      this.#exchange.attempts <= this.#action.retries!.limit &&
      (!body || this.#exchange.bodyUntouched || body.kept !== undefined)
    )
  }

  #retry(): void {
    const retries = this.#action.retries!
    const attempt = this.#attempt
    if (!this.#retrying) this.#cluster.retrying++
    this.#retrying = true
    this.#exchange.manager.shared.metrics.retries++
    this.#leave(retries.leavePriorities)
    if (retries.avoidPrevious) (this.#tried ??= new Set()).add(this.#trying!)
    this.#endTry()
    attempt?.abort()
    this.#timer = setTimeout(() => this.#try(), retries.backoff(this.#exchange.attempts))
  }

  /** Notes the priority that was tried; every `each` tries the noted ones are left. Envoy: previous_priorities. */
  #leave(each: number): void {
    if (each === 0) return
    const asked = (this.#asked ??= [])
    asked.push(this.#trying!.priority)
    if (asked.length % each === 0) this.#left = new Set(asked)
  }

  #giveUp({ flag }: Failure): void {
    const limit = this.#action.retries?.limit
    if (!this.#responded && limit && this.#exchange.attempts > limit) this.#exchange.flags.push('URX')
    this.#exchange.reply(
      flag === 'UPE' ? 502 : 503,
      `upstream connect error or disconnect/reset before headers. reset reason: ${reasons[flag]}`,
      flag,
      'upstream_reset',
    )
  }

  #overflow(): void {
    this.#exchange.manager.shared.metrics.overflows++
    this.#exchange.reply(503, 'upstream connect error or disconnect/reset before headers. reset reason: overflow', 'UO', 'overflow', [
      'x-envoy-overloaded',
      'true',
    ])
  }

  /** Gives back what a try holds: its place among the connections. */
  #endTry(): void {
    clearTimeout(this.#timer)
    this.#attempt = undefined
    if (!this.#trying) return
    this.connected()
    this.#trying.active--
    this.#trying = undefined
    this.#cluster.leave()
  }
}

const reasons = { UF: 'connection failure', UC: 'connection termination', UR: 'remote reset', UPE: 'protocol error' }
