import type { Duplex } from 'node:stream'
import { Client, type Dispatcher } from 'undici'
import { connect, type Target } from './connect.ts'
import { BodyStream } from './pump.ts'
import { failureOf, maxResponseHeader } from './http1-limits.ts'
import { StreamingPool } from './http1-streaming.ts'
import type { Attempt, AttemptEvents, Pool, UpstreamRequest } from './attempt.ts'

/**
 * HTTP/1.1 to one endpoint: one undici client a connection, the most recently used first, so that those not needed become
 * idle and are dropped. Requests whose body has no known length, and those that wait for `100 Continue`, go by `StreamingPool`.
 */
export class Http1Pool implements Pool {
  readonly #target: Target
  readonly #origin: string
  readonly #idle: Client[] = []
  /** What limited connections have served, and since when. */
  readonly #served = new WeakMap<Client, { requests: number; since: number }>()
  #streaming: StreamingPool | undefined
  #retired = false

  constructor(target: Target) {
    this.#target = target
    this.#origin = `http://${target.address.includes(':') ? `[${target.address}]` : target.address}:${target.port}`
  }

  send(request: UpstreamRequest, events: AttemptEvents): Attempt {
    if (isStreaming(request)) {
      this.#streaming ??= new StreamingPool(this.#target)
      return this.#streaming.send(request, events)
    }
    return new Http1Attempt(this, this.#idle.pop() ?? this.#open(), request, events)
  }

  hasConnection(request: Pick<UpstreamRequest, 'body' | 'expectContinue'>): boolean {
    return isStreaming(request) ? (this.#streaming?.hasConnection() ?? false) : this.#idle.length > 0
  }

  retire(): void {
    this.#retired = true
    this.#streaming?.retire()
    for (const client of this.#idle.splice(0)) this.discard(client)
  }

  release(client: Client): void {
    if (this.#retired || this.#isOver(client)) this.discard(client)
    else this.#idle.push(client)
  }

  /** True for a connection that has served as many requests, or is as old, as it may. */
  #isOver(client: Client): boolean {
    const { maxRequests, maxAge } = this.#target.cluster.http
    const served = this.#served.get(client)
    if (!served) return false
    served.requests++
    return served.requests >= maxRequests || (maxAge > 0 && performance.now() - served.since >= maxAge)
  }

  /** Closes a connection at its largest age, if it is idle then; a busy one is closed behind its request. */
  #expire(client: Client): void {
    const at = this.#idle.indexOf(client)
    if (at < 0) return
    this.#idle.splice(at, 1)
    this.discard(client)
  }

  discard(client: Client): void {
    client.destroy(null, () => {})
  }

  #open(): Client {
    const client = new Client(this.#origin, {
      connect: (_options: unknown, done: (error: Error | null, socket: never) => void) => connect(this.#target, 'http/1.1', done as never),
      pipelining: 1,
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: this.#target.cluster.http.idleTimeout,
      keepAliveMaxTimeout: this.#target.cluster.http.idleTimeout,
      keepAliveTimeoutThreshold: 1000,
      maxHeaderSize: maxResponseHeader,
    } as Client.Options)
    client.on('disconnect', () => this.#expire(client))
    const { maxRequests, maxAge } = this.#target.cluster.http
    if (maxRequests < Infinity || maxAge > 0) this.#served.set(client, { requests: 0, since: performance.now() })
    if (maxAge > 0) setTimeout(() => this.#expire(client), maxAge).unref()
    return client
  }
}

const isStreaming = ({ body, expectContinue }: Pick<UpstreamRequest, 'body' | 'expectContinue'>): boolean => expectContinue || (body !== undefined && !body.sized)

class Http1Attempt implements Attempt, Dispatcher.DispatchHandler {
  readonly #pool: Http1Pool
  readonly #client: Client
  readonly #events: AttemptEvents
  readonly #body: BodyStream | null
  #resume: (() => void) | undefined
  #connected = false
  #done = false

  constructor(pool: Http1Pool, client: Client, request: UpstreamRequest, events: AttemptEvents) {
    this.#pool = pool
    this.#client = client
    this.#events = events
    this.#body = request.body ? new BodyStream(request.body) : null
    const { method, path, authority, headers, upgrade } = request
    headers.push('host', authority)
    // The server name plays no part, since `connect` speaks TLS; given, undici need not work it out for each request.
    const options = { method, path, headers, body: this.#body, upgrade: upgrade ?? null, servername: 'endpoint' }
    client.dispatch(options, this)
  }

  resume(): void {
    this.#resume?.()
  }

  abort(): void {
    if (this.#done) return
    this.#done = true
    this.#pool.discard(this.#client)
  }

  onConnect(): void {
    this.#connected = true
    this.#events.connected()
  }

  onHeaders(status: number, raw: Buffer[], resume: () => void): boolean {
    if (this.#done) return true
    const headers = decode(raw)
    if (status < 200) {
      this.#events.informational(status, headers)
      return true
    }
    this.#resume = resume
    return this.#events.head(status, headers, false)
  }

  onData(chunk: Buffer): boolean {
    return this.#done || this.#events.data(chunk)
  }

  onComplete(trailers: string[] | null): void {
    if (this.#done) return
    this.#done = true
    this.#pool.release(this.#client)
    this.#events.end(trailers ? decode(trailers as unknown as Buffer[]) : [])
  }

  onUpgrade(_status: number, raw: Buffer[] | string[] | null, socket: Duplex): void {
    this.#pool.release(this.#client)
    if (this.#done) {
      socket.destroy()
      return
    }
    this.#done = true
    this.#events.upgraded(decode((raw ?? []) as Buffer[]), socket)
  }

  onError(error: Error): void {
    if (this.#done) return
    this.#done = true
    this.#pool.discard(this.#client)
    this.#events.fail(failureOf(error, this.#connected || Boolean(this.#body?.begun)))
  }
}

function decode(raw: Buffer[]): string[] {
  const headers: string[] = []
  for (let i = 0; i < raw.length; i += 2) headers.push(raw[i]!.toString('latin1').toLowerCase(), raw[i + 1]!.toString('latin1'))
  return headers
}
