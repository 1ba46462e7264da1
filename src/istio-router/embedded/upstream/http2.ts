import http2, { type ClientHttp2Session, type ClientHttp2Stream, type OutgoingHttpHeaders } from 'node:http2'
import { SessionIdle } from '../http/session-idle.ts'
import { connect, type Target } from './connect.ts'
import { pump } from './pump.ts'
import type { Attempt, AttemptEvents, Pool, UpstreamRequest } from './attempt.ts'

const { NGHTTP2_CANCEL, NGHTTP2_REFUSED_STREAM, NGHTTP2_FLAG_END_STREAM } = http2.constants

/** Fields go on as often as they came (Node's types know that option of servers only). */
const sessionOptions = {
  settings: { enablePush: false, initialWindowSize: 262_144 },
  maxSessionMemory: 64,
  strictSingleValueFields: false,
}

/** HTTP/2 to one endpoint; a further connection is opened when all others carry as many streams as the endpoint allows. */
export class Http2Pool implements Pool {
  readonly #target: Target
  readonly #connections: Connection[] = []
  #retired = false

  constructor(target: Target) {
    this.#target = target
  }

  send(request: UpstreamRequest, events: AttemptEvents): Attempt {
    let connection = this.#connections.find((candidate) => candidate.hasRoom)
    if (!connection) {
      connection = new Connection(this.#target, (closed) => {
        const at = this.#connections.indexOf(closed)
        if (at >= 0) this.#connections.splice(at, 1)
      })
      this.#connections.push(connection)
    }
    return new Http2Attempt(connection, request, events)
  }

  hasConnection(): boolean {
    return this.#connections.some(({ isOpen, hasRoom }) => isOpen && hasRoom)
  }

  retire(): void {
    if (this.#retired) return
    this.#retired = true
    for (const connection of this.#connections.splice(0)) connection.close()
  }
}

type Opened = (error: Error | null, session: ClientHttp2Session | undefined) => void

/** One HTTP/2 connection, or one that is being made. */
class Connection {
  #session: ClientHttp2Session | undefined
  #idle: SessionIdle | undefined
  #waiting: Opened[] | undefined = []
  #streams = 0
  #served = 0
  #closing = false
  readonly #maxRequests: number
  readonly #maxStreams: number
  readonly #gone: (connection: Connection) => void

  constructor(target: Target, gone: (connection: Connection) => void) {
    const { maxRequests, maxStreams, maxAge, idleTimeout } = target.cluster.http
    this.#maxRequests = maxRequests
    this.#maxStreams = maxStreams
    this.#gone = gone
    const age = maxAge > 0 ? setTimeout(() => this.#end(), maxAge).unref() : undefined
    connect(target, 'h2', (error, socket) => {
      if (error || !socket) {
        gone(this)
        this.#open(error ?? new Error('no socket'), undefined)
        return
      }
      const session = http2.connect('http://endpoint', {
        ...sessionOptions,
        createConnection: () => socket,
      })
      this.#session = session
      session.setLocalWindowSize(1_048_576)
      session.on('error', () => {})
      session.once('goaway', () => gone(this))
      session.once('close', () => {
        clearTimeout(age)
        gone(this)
      })
      this.#idle = new SessionIdle(session, idleTimeout)
      this.#open(null, session)
      if (this.#closing) this.close()
    })
  }

  /** True once it is made. */
  get isOpen(): boolean {
    return this.#session !== undefined
  }

  /** True if it can carry one more stream. */
  get hasRoom(): boolean {
    const session = this.#session
    if (!session) return this.#waiting !== undefined && this.#streams < Math.min(100, this.#maxStreams)
    return (
      !session.closed &&
      !session.destroyed &&
      this.#streams < Math.min(session.remoteSettings.maxConcurrentStreams ?? 100, this.#maxStreams)
    )
  }

  /** Counts one more stream and hands over the session as soon as there is one. */
  take(opened: Opened): void {
    this.#streams++
    if (++this.#served >= this.#maxRequests) this.#gone(this)
    if (this.#session) opened(null, this.#session)
    else this.#waiting!.push(opened)
  }

  carries(stream: ClientHttp2Stream): void {
    this.#idle!.carries(stream)
  }

  release(): void {
    this.#streams--
    if (this.#served >= this.#maxRequests && this.#streams === 0) this.close()
  }

  /** Takes no more streams, and closes behind those that there are. */
  #end(): void {
    this.#gone(this)
    this.close()
  }

  close(): void {
    this.#closing = true
    this.#session?.close()
  }

  #open(error: Error | null, session: ClientHttp2Session | undefined): void {
    const waiting = this.#waiting!
    this.#waiting = undefined
    for (const opened of waiting) opened(error, session)
  }
}

class Http2Attempt implements Attempt {
  readonly #connection: Connection
  readonly #events: AttemptEvents
  #stream: ClientHttp2Stream | undefined
  #stopBody: (() => void) | undefined
  #trailers: string[] = []
  #done = false

  constructor(connection: Connection, request: UpstreamRequest, events: AttemptEvents) {
    this.#connection = connection
    this.#events = events
    connection.take((error, session) => {
      if (error || !session) this.#fail(true, error?.message ?? 'no session')
      else if (!this.#done) this.#send(session, request)
    })
  }

  abort(): void {
    if (this.#done) return
    this.#finish()
    this.#stream?.close(NGHTTP2_CANCEL)
  }

  resume(): void {
    this.#stream?.resume()
  }

  #send(session: ClientHttp2Session, request: UpstreamRequest): void {
    const { body, upgrade } = request
    this.#events.connected()
    if (upgrade !== undefined && !session.remoteSettings.enableConnectProtocol) {
      this.#fail(true, `the endpoint does not take ${upgrade} over HTTP/2`)
      return
    }
    let stream: ClientHttp2Stream
    try {
      stream = session.request(requestHeaders(request), { endStream: !body && upgrade === undefined, waitForTrailers: body !== undefined })
    } catch (error) {
      this.#fail(true, (error as Error).message)
      return
    }
    this.#stream = stream
    this.#connection.carries(stream)
    stream.on('response', (_headers, flags, raw?: string[]) =>
      this.#respond(stream, raw ?? [], (flags & NGHTTP2_FLAG_END_STREAM) !== 0, upgrade),
    )
    stream.on('headers', (_headers: unknown, _flags: number, raw?: string[]) => {
      const { status, headers } = responseHeaders(raw ?? [])
      if (!this.#done && status !== 101) this.#events.informational(status, headers)
    })
    stream.on('trailers', (_headers: unknown, _flags: number, raw?: string[]) => {
      this.#trailers = responseHeaders(raw ?? []).headers
    })
    stream.on('error', (error) => this.#fail(stream.rstCode === NGHTTP2_REFUSED_STREAM, error.message))
    stream.on('close', () =>
      this.#fail(stream.rstCode === NGHTTP2_REFUSED_STREAM, `the endpoint reset the stream with code ${stream.rstCode}`),
    )
    if (body) {
      stream.on('wantTrailers', () => stream.sendTrailers(fieldsOf(body.trailers())))
      this.#stopBody = pump(
        body,
        stream,
        (chunk) => stream.write(chunk),
        () => stream.end(),
      )
    }
  }

  #respond(stream: ClientHttp2Stream, raw: string[], ended: boolean, upgrade: string | undefined): void {
    if (this.#done) return
    const { status, headers } = responseHeaders(raw)
    if (upgrade !== undefined && status === 200) {
      this.#done = true
      stream.once('close', () => this.#connection.release())
      this.#events.upgraded([...headers, 'upgrade', upgrade], stream)
      return
    }
    stream.on('data', (chunk: Buffer) => {
      if (!this.#done && !this.#events.data(chunk)) stream.pause()
    })
    stream.on('end', () => {
      if (this.#done || stream.rstCode) return
      this.#finish()
      this.#events.end(this.#trailers)
      if (!stream.writableEnded) stream.close(NGHTTP2_CANCEL)
    })
    if (!this.#events.head(status, headers, ended)) stream.pause()
  }

  #fail(unsent: boolean, detail: string): void {
    if (this.#done) return
    this.#finish()
    this.#events.fail({ flag: this.#stream ? 'UR' : 'UF', unsent, detail })
  }

  #finish(): void {
    this.#done = true
    this.#connection.release()
    this.#stopBody?.()
  }
}

function requestHeaders({ method, path, authority, scheme, headers, upgrade, expectContinue }: UpstreamRequest): OutgoingHttpHeaders {
  const pseudo: OutgoingHttpHeaders = {
    ':method': upgrade === undefined ? method : 'CONNECT',
    ':path': path,
    ':scheme': scheme,
    ':authority': authority,
  }
  if (upgrade !== undefined) pseudo[':protocol'] = upgrade
  if (expectContinue) pseudo.expect = '100-continue'
  return Object.assign(pseudo, fieldsOf(headers))
}

/**
 * A flat list as Node's HTTP/2 wants it; fields that stand more than once become lists, and cookies one line. Without a prototype, since a
 * field may be named `constructor`.
 */
export function fieldsOf(flat: string[]): Record<string, string | string[]> {
  const fields = Object.create(null) as Record<string, string | string[]>
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i]!
    const value = flat[i + 1]!
    const known = fields[name]
    if (known === undefined) fields[name] = value
    else if (name === 'cookie') fields[name] = `${known as string}; ${value}`
    else if (typeof known === 'string') fields[name] = [known, value]
    else known.push(value)
  }
  return fields
}

function responseHeaders(raw: string[]): { status: number; headers: string[] } {
  let status = 0
  const headers: string[] = []
  for (let i = 0; i < raw.length; i += 2) {
    if (raw[i] === ':status') status = Number(raw[i + 1])
    else headers.push(raw[i]!, raw[i + 1]!)
  }
  return { status, headers }
}
