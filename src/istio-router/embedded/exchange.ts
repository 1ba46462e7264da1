import type { Duplex } from 'node:stream'
import { messageOf } from '../../common/problem.ts'
import { normalizePath, splitTarget } from '../../mesh/path.ts'
import { fieldValues } from '../../mesh/wire.ts'
import type { Downstream, Peer, RequestHead } from './downstream.ts'
import type { HttpFilter } from './filters/filter.ts'
import { filtersOf } from './filters/filters.ts'
import type { WantedEndpoint } from './filters/named-instances.ts'
import { Forward } from './forward.ts'
import { settleClient, type Client } from './forwarded.ts'
import type { Flag } from './http/failure.ts'
import { Headers, isHopByHop } from './http/headers.ts'
import type { Mutation } from './http/mutation.ts'
import type { Manager } from './manager.ts'
import { mirror, type Copies } from './mirror.ts'
import { makeReply } from './reply.ts'
import type { Share } from './routing/clusters.ts'
import type { Route } from './routing/route.ts'
import { tunnel } from './tunnel.ts'
import type { RequestBody } from './upstream/attempt.ts'
import type { Cluster, Endpoint } from './upstream/cluster.ts'

/** Times in whole milliseconds since the request's head was there; undefined for what has not happened. */
export interface Durations {
  total: number
  /** Until the request was there as a whole. */
  request: number | undefined
  /** Until the response began. */
  response: number | undefined
  /** From the begin of the response to its end. */
  transmission: number | undefined
}

/** One request and its response; what filters, formats and the access log read. */
export class Exchange {
  readonly manager: Manager
  readonly method: string
  readonly scheme: string
  readonly protocol: string
  readonly headers: Headers
  /** What the last try's were once its instance was known: the access log shows these. */
  sentHeaders: Headers | undefined
  /** Path and query as the client sent them. */
  readonly originalPath: string
  readonly peer: Peer
  /** Milliseconds since 1970. */
  readonly startedAt = Date.now()
  /** Path and query as they are matched; once its route has rewritten it, as they are sent on. So is the authority. */
  path: string
  authority: string
  client: Client
  /** Id of the request, also its `x-request-id`. */
  id = ''
  route: Route | undefined
  /** Which of the clusters of a split was chosen. */
  share: Share | undefined
  /** Cookies that the client is given, by their names. */
  cookies: Map<string, { value: string; header: string }> | undefined
  cluster: Cluster | undefined
  endpoint: Endpoint | undefined
  /** The endpoint that the request asks for, if any. */
  wanted: WantedEndpoint | undefined
  attempts = 0
  /** Status of the response, 0 before there is one. */
  status = 0
  flags: Flag[] = []
  detail: string | undefined
  transportFailure: string | undefined
  localReplyBody: string | undefined
  responseHeaders = none
  responseTrailers = none
  /** Changes the request's trailers once they have come. */
  changeTrailers: Mutation | undefined
  bytesReceived = 0
  bytesSent = 0

  readonly #downstream: Downstream
  readonly #head: RequestHead
  readonly #body: RequestBody | undefined
  readonly #start = performance.now()
  #state: 'request' | 'response' | 'tunnel' | 'done' = 'request'
  #filters: readonly HttpFilter[]
  #nextFilter = 0
  /** True once the route's action has the request; what filters answer before is not the route's. */
  #dispatched = false
  #forward: Forward | undefined
  #copies: Copies | undefined
  #closeTunnel: (() => void) | undefined
  #timer: NodeJS.Timeout | undefined
  /** When `#onDeadline` is to be called, by `performance.now()`. */
  #deadline = Infinity
  #onDeadline: Deadline | undefined
  #requestEndedAt = 0
  #responseAt = 0
  #lastActivity = this.#start

  constructor(manager: Manager, downstream: Downstream, head: RequestHead) {
    this.manager = manager
    this.method = head.method
    this.scheme = head.scheme
    this.authority = head.authority
    this.protocol = head.protocol
    this.headers = head.headers
    this.path = this.originalPath = head.target
    this.peer = head.peer
    this.client = { address: head.peer.remoteAddress, port: head.peer.remotePort }
    this.#downstream = downstream
    this.#filters = manager.config.chain.filters
    this.#head = head
    this.#body = head.body && this.#followed(head.body)
    downstream.exchange = this
    manager.shared.metrics.active++
    manager.add(this)
  }

  get clusters(): ReadonlyMap<string, Cluster> {
    return this.manager.shared.clusters
  }

  get durations(): Durations {
    const now = performance.now()
    const since = (at: number): number | undefined => (at === 0 ? undefined : Math.round(at - this.#start))
    return {
      total: Math.round(now - this.#start),
      request: since(this.#requestEndedAt),
      response: since(this.#responseAt),
      transmission: this.#responseAt === 0 ? undefined : Math.round(now - this.#responseAt),
    }
  }

  /** True as long as nothing of the request's body has been passed on. */
  get bodyUntouched(): boolean {
    return this.bytesReceived === 0 && this.#requestEndedAt === 0
  }

  /** A header of the request, pseudo headers and those of the connection included; of several values the first, as Envoy reads it. */
  requestHeader(name: string): string | undefined {
    switch (name) {
      case ':method':
        return this.method
      case ':path':
        return this.path
      case ':authority':
      case 'host':
        return this.authority
      case ':scheme':
        return this.scheme
      case 'x-envoy-original-path':
        return this.path === this.originalPath ? undefined : this.originalPath
      case 'upgrade':
        return this.#head.upgrade
      case 'transfer-encoding':
        return this.#body && !this.#body.sized && this.protocol !== 'HTTP/2' ? 'chunked' : undefined
      default:
        return (this.sentHeaders ?? this.headers).get(name)
    }
  }

  /** The values of a header of the request that conditions are held against. */
  requestValues(name: string): string[] {
    const fields = this.headers.all(name)
    if (fields.length > 1) return fieldValues(name, fields)
    const value = this.requestHeader(name)
    return value === undefined ? [] : [value]
  }

  /** Sends the request on its way. */
  start(): void {
    const { config } = this.manager
    config.early?.(this.headers, this)
    const { client, id } = settleClient(this.headers, config, this.peer, this.scheme)
    this.client = client
    this.id = id
    if (this.#body) this.#body.stream.once('end', () => this.#requestEnded())
    else this.#requestEndedAt = this.#start
    if (config.requestTimeout > 0 && this.#body) this.#startTimer(config.requestTimeout, requestTimeout)
    if (config.normalizePath && !this.#normalize()) return
    const { upgrade } = this.#head
    if (upgrade !== undefined && !config.upgrades.has(upgrade)) this.reply(403, '', undefined, 'upgrade_failed')
    else this.proceed()
  }

  /** Goes on with the filters that have not seen the request yet, and then with the route. */
  proceed(): void {
    while (this.#nextFilter < this.#filters.length) {
      if (this.#filters[this.#nextFilter++]!.request?.(this.headers, this) === false) return
    }
    if (this.#state !== 'request') return
    if (this.route) this.#dispatch(this.route)
    else this.#findRoute()
  }

  /** Answers by ourselves; where the response has begun already it is broken off instead. */
  reply(status: number, text: string | Buffer, flag: Flag | undefined, detail: string, headers: string[] = [], grpcStatus?: number): void {
    if (this.#state === 'done') return
    if (flag) this.flags.push(flag)
    this.detail = detail
    if (this.#state !== 'request') {
      this.#breakOff()
      return
    }
    const reply = makeReply(this, status, text, headers, grpcStatus)
    this.#forward?.stop()
    this.respond(reply.status, reply.headers, Buffer.from(this.method === 'HEAD' ? '' : reply.body))
  }

  informational(status: number, headers: string[]): void {
    this.#downstream.informational(status, headers)
  }

  /** Begins the response; `whole` is its body where all of it is known. */
  respond(status: number, headers: Headers, whole: Buffer | undefined): void {
    this.#state = 'response'
    this.#responseAt = this.#lastActivity = performance.now()
    this.status = status
    this.#mutateResponse(headers)
    try {
      this.#downstream.respond(status, headers, whole)
    } catch (error) {
      // What Node does not write, as a rule's field with a control character, ends this exchange alone.
      this.detail = 'response_cannot_be_written'
      this.transportFailure = messageOf(error)
      this.#breakOff()
      return
    }
    if (!whole) return
    this.bytesSent += whole.length
    this.#finish()
  }

  /** False asks to wait for `resume`. */
  write(chunk: Buffer): boolean {
    if (this.#state === 'done') return true
    this.bytesSent += chunk.length
    this.#lastActivity = performance.now()
    return this.#downstream.write(chunk)
  }

  end(trailers: string[]): void {
    if (this.#state === 'done') return
    if (trailers.length > 0) {
      this.responseTrailers = new Headers(trailers)
      this.responseTrailers.removeWhere(isHopByHop)
    }
    this.#downstream.end(this.responseTrailers.list)
    this.#finish()
  }

  /** Switches to another protocol: from now on bytes flow both ways. */
  tunnel(headers: Headers, socket: Duplex): void {
    this.#stopTimer()
    this.#state = 'tunnel'
    this.#responseAt = this.#lastActivity = performance.now()
    this.status = this.protocol === 'HTTP/2' ? 200 : 101
    this.#mutateResponse(headers)
    this.#closeTunnel = tunnel(this.#downstream.upgrade(headers), socket, {
      received: (bytes) => this.#received(bytes),
      sent: (bytes) => {
        this.bytesSent += bytes
        this.#lastActivity = performance.now()
      },
      closed: () => this.#finish(),
    })
  }

  /** The client takes more of the response again. */
  resume(): void {
    this.#forward?.resume()
  }

  /** The client is gone before the response was whole. */
  clientGone(): void {
    if (this.#state === 'done') return
    this.flags.push('DC')
    this.detail = 'downstream_remote_disconnect'
    this.#breakOff()
  }

  /** Called now and then: ends an exchange that takes too long, or in which nothing has moved for too long. */
  check(now: number): void {
    if (now >= this.#deadline) {
      this.#timeOut()
      return
    }
    const limit = this.route?.action?.idleTimeout ?? this.manager.config.streamIdleTimeout
    if (limit === 0 || now - this.#lastActivity < limit) return
    this.reply(this.#requestEndedAt === 0 ? 408 : 504, 'stream timeout', 'SI', 'stream_idle_timeout')
  }

  #normalize(): boolean {
    const { path, query } = splitTarget(this.path)
    const normal = normalizePath(path)
    if (normal !== undefined) {
      this.path = query === '' ? normal : normal + query
      return true
    }
    this.reply(400, '', undefined, 'path_normalization_failed')
    return false
  }

  #findRoute(): void {
    const route = this.manager.shared.routes.of(this.manager.config.routes, this)?.find(this)
    if (!route) {
      this.reply(404, '', 'NR', 'route_not_found')
      return
    }
    this.route = route
    if (route.filters) {
      this.#filters = filtersOf(this.manager.config.chain, route.filters)
      this.#nextFilter = 0
      this.proceed()
    } else this.#dispatch(route)
  }

  #dispatch(route: Route): void {
    this.#dispatched = true
    const { action } = route
    if (!action) {
      route.answer!(this)
      return
    }
    const name = action.cluster(this)
    const cluster = name === undefined ? undefined : this.clusters.get(name)
    if (!cluster && this.wanted?.refuse) {
      this.wanted.refuse()
      return
    }
    if (!cluster) {
      this.reply(action.clusterMissing, '', 'NC', 'cluster_not_found')
      return
    }
    this.cluster = cluster
    this.share?.request?.(this.headers, this)
    route.request?.(this.headers, this)
    action.rewrite?.(this)
    if (this.share?.authority !== undefined) this.authority = this.share.authority
    const { expectContinue, upgrade } = this.#head
    if (action.mirrors) this.#copies = mirror(this, action.mirrors, this.#body)
    this.#forward = new Forward(this, cluster, action, { body: this.#body, expectContinue, upgrade })
    if (this.#requestEndedAt !== 0) this.#startRouteTimer()
    this.#forward.start()
  }

  #mutateResponse(headers: Headers): void {
    const { config } = this.manager
    this.responseHeaders = headers
    if (this.#dispatched) {
      this.share?.response?.(headers, this)
      this.route!.response?.(headers, this)
    }
    if (this.cookies) for (const { header } of this.cookies.values()) headers.add('set-cookie', header)
    if (this.route?.filters) for (const filter of filtersOf(config.chain, this.route.filters)) filter.response?.(headers, this)
    for (const filter of config.chain.filters) filter.response?.(headers, this)
    if (config.requestIdInResponse) headers.set('x-request-id', this.id)
  }

  #followed(body: Omit<RequestBody, 'passed'>): RequestBody {
    const { trailers } = body
    return Object.assign(body, {
      passed: (chunk: Buffer) => this.#bodyPassed(chunk),
      trailers: () => {
        const changed = new Headers(trailers())
        changed.removeWhere(isHopByHop)
        this.changeTrailers?.(changed, this)
        return changed.list
      },
    })
  }

  #bodyPassed(chunk: Buffer): void {
    this.#copies?.passed(chunk)
    this.#forward?.passed(chunk)
    this.#received(chunk.length)
  }

  #received(bytes: number): void {
    this.bytesReceived += bytes
    this.#lastActivity = performance.now()
  }

  #requestEnded(): void {
    if (this.#state === 'done') return
    this.#requestEndedAt = performance.now()
    this.#copies?.ended()
    this.#stopTimer()
    if (this.#forward) this.#startRouteTimer()
  }

  /** A route's timeout runs from the end of the request, so that streams and upgrades, whose requests go on, are exempt. */
  #startRouteTimer(): void {
    const { timeout } = this.route!.action!
    if (timeout > 0 && this.#head.upgrade === undefined) this.#startTimer(timeout, responseTimeout)
  }

  /** A long wait is looked after by the sweep over all exchanges, which is cheaper than a timer for each. */
  #startTimer(limit: number, deadline: Deadline): void {
    this.#onDeadline = deadline
    if (limit >= longWait) this.#deadline = performance.now() + limit
    else this.#timer = setTimeout(() => this.#timeOut(), limit)
  }

  #stopTimer(): void {
    clearTimeout(this.#timer)
    this.#deadline = Infinity
  }

  #timeOut(): void {
    const { status, text, flag } = this.#onDeadline!
    this.#forward?.timedOut()
    this.reply(status, text, flag, text.replaceAll(' ', '_'))
  }

  #breakOff(): void {
    if (this.#closeTunnel) {
      this.#closeTunnel()
      return
    }
    this.#downstream.abort()
    this.#finish()
  }

  #finish(): void {
    if (this.#state === 'done') return
    this.#state = 'done'
    clearTimeout(this.#timer)
    this.#forward?.stop()
    if (this.#requestEndedAt === 0) this.#copies?.drop()
    const { config, shared } = this.manager
    shared.metrics.active--
    // A status above 599 counts as a 5xx (RFC 9110 §15).
    shared.metrics.requests[Math.min(5, Math.floor(this.status / 100))]!++
    this.manager.delete(this)
    for (const { path, wanted, line } of config.accessLogs) if (wanted(this)) shared.log.write(path, line(this))
  }
}

/** What is answered when time is over. */
interface Deadline {
  status: number
  text: string
  flag: Flag | undefined
}

const requestTimeout: Deadline = { status: 408, text: 'request timeout', flag: undefined }
const responseTimeout: Deadline = { status: 504, text: 'upstream request timeout', flag: 'UT' }
/** Milliseconds from which a wait need not be exact. */
const longWait = 10_000

const none = new Headers()
