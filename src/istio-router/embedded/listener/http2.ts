import http2, { type Http2Server as Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Downstream, Peer } from '../downstream.ts'
import { Exchange } from '../exchange.ts'
import { isHopByHop, type Headers } from '../http/headers.ts'
import { SessionIdle } from '../http/session-idle.ts'
import type { Manager } from '../manager.ts'
import { fieldsOf } from '../upstream/http2.ts'
import { BodyWriter } from './body-writer.ts'
import { readHead } from './http2-head.ts'

const { NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR } = http2.constants

/** Serves HTTP/2 on connections that are handed to it. */
export class Http2Server {
  readonly #server: Server
  readonly #manager: Manager
  readonly #sessions = new Map<ServerHttp2Session, Peer>()
  #accepting: Peer | undefined

  constructor(manager: Manager) {
    const { maxHeaderBytes, maxHeaderCount, http2: limits, idleTimeout } = manager.config
    this.#manager = manager
    this.#server = http2.createServer({
      maxHeaderListPairs: maxHeaderCount + 16,
      maxSessionMemory: 64,
      streamResetBurst: 200,
      strictSingleValueFields: false,
      settings: {
        enableConnectProtocol: true,
        maxConcurrentStreams: limits.maxStreams,
        initialWindowSize: limits.streamWindow,
        maxHeaderListSize: maxHeaderBytes,
      },
    })
    this.#server.on('session', (session) => {
      const peer = this.#accepting!
      this.#sessions.set(session, peer)
      session.setLocalWindowSize(limits.connectionWindow)
      const idle = new SessionIdle(session, idleTimeout)
      session.on('error', () => session.destroy())
      session.on('close', () => this.#sessions.delete(session))
      session.on('stream', (stream, _headers, flags, raw) => {
        idle.carries(stream)
        this.#serve(stream, flags, raw, peer)
      })
    })
    this.#server.on('sessionError', () => {})
  }

  accept(socket: Duplex, peer: Peer): void {
    this.#accepting = peer
    this.#server.emit('connection', socket as Socket)
    this.#accepting = undefined
  }

  /** Tells every client to take new requests elsewhere; streams in flight go on. */
  closeIdle(): void {
    for (const session of this.#sessions.keys()) if (!session.closed) session.close()
  }

  close(): void {
    for (const session of this.#sessions.keys()) session.destroy()
  }

  #serve(stream: ServerHttp2Stream, flags: number, raw: string[], peer: Peer): void {
    stream.on('error', () => {})
    const { head, fault } = readHead(stream, flags, raw, this.#manager.config, peer)
    const exchange = new Exchange(this.#manager, new Http2Downstream(stream), head)
    if (fault) exchange.reply(fault.status, '', fault.flag, fault.detail)
    else exchange.start()
  }
}

class Http2Downstream implements Downstream {
  exchange: Downstream['exchange']
  readonly #stream: ServerHttp2Stream
  readonly #body: BodyWriter
  #trailers: string[] = []

  constructor(stream: ServerHttp2Stream) {
    this.#stream = stream
    this.#body = new BodyWriter(stream, () => this.exchange?.resume())
    stream.on('close', () => this.exchange?.clientGone())
  }

  informational(status: number, headers: string[]): void {
    if (!this.#stream.headersSent && !this.#stream.closed) this.#stream.additionalHeaders({ ...fieldsOf(headers), ':status': status })
  }

  respond(status: number, headers: Headers, whole: Buffer | undefined): void {
    if (this.#stream.closed) return
    if (!whole) this.#stream.on('wantTrailers', () => this.#sendTrailers())
    headers.removeWhere(isHopByHop)
    // Node writes no status above 599, which clients take for a 5xx (RFC 9110 §15).
    const written = status > 599 ? 502 : status
    this.#stream.respond({ ...fieldsOf(headers.list), ':status': written }, { endStream: whole?.length === 0, waitForTrailers: !whole })
    if (!whole) return
    if (whole.length > 0) this.#stream.end(whole)
    this.#ignoreRest()
  }

  write(chunk: Buffer): boolean {
    return this.#body.write(chunk)
  }

  end(trailers: string[]): void {
    this.#trailers = trailers
    this.#body.end()
  }

  upgrade(headers: Headers): Duplex {
    headers.removeWhere((name) => name === 'upgrade' || name === 'sec-websocket-accept')
    if (!this.#stream.closed) this.#stream.respond({ ...fieldsOf(headers.list), ':status': 200 })
    return this.#stream
  }

  abort(): void {
    this.#stream.close(NGHTTP2_INTERNAL_ERROR)
  }

  /** Ends the response. A stream that is closed before this has left would take the trailers with it. */
  #sendTrailers(): void {
    this.#stream.sendTrailers(fieldsOf(this.#trailers))
    setImmediate(() => this.#ignoreRest())
  }

  /** Tells the client not to send what is left of a request that has its answer. */
  #ignoreRest(): void {
    const stream = this.#stream
    if (stream.readableEnded || stream.endAfterHeaders) return
    if (stream.writableFinished) stream.close(NGHTTP2_NO_ERROR)
    else stream.once('finish', () => stream.close(NGHTTP2_NO_ERROR))
  }
}
