import type { Socket } from 'node:net'
import type { Failure } from '../http/failure.ts'
import type { Attempt, AttemptEvents, UpstreamRequest } from './attempt.ts'
import { connect, type Target } from './connect.ts'
import { sendBody, writeHead, type Head } from './http1-request.ts'
import { BadResponse, ResponseReader, type ResponseEnd, type ResponseEvents } from './http1-response.ts'

/** Who has the connections. */
export interface Owner {
  /** It can take a request. */
  free(connection: Http1Connection): void
  /** It takes none any more. */
  gone(connection: Http1Connection): void
}

/**
 * What all connections read into. A buffer for each piece that comes would be memory outside of the heap, for which V8 goes through the
 * whole heap, with all routes, every 64 MB.
 */
const readBuffer = Buffer.allocUnsafeSlow(65_536)

/** One connection to an endpoint; it carries one request at a time. */
export class Http1Connection implements ResponseEvents {
  readonly #owner: Owner
  readonly #idleTimeout: number
  readonly #maxRequests: number
  readonly #maxAge: number
  readonly #reader = new ResponseReader(this)
  #socket: Socket | undefined
  #turn: Turn | undefined
  #served = 0
  #old = false
  #destroyed = false
  /** Until when it can be used again, by `performance.now()`. */
  #idleUntil = 0
  #idleTimer: NodeJS.Timeout | undefined
  #ageTimer: NodeJS.Timeout | undefined

  /** Connects. What it `reads` comes in chunks that are only valid while they are told of, or as a stream that can be handed over. */
  constructor(target: Target, reads: 'chunks' | 'stream', owner: Owner) {
    const { idleTimeout, maxRequests, maxAge } = target.cluster.http
    this.#owner = owner
    this.#idleTimeout = idleTimeout
    this.#maxRequests = maxRequests
    this.#maxAge = maxAge
    const callback = (bytes: number): boolean => {
      this.#received(readBuffer.subarray(0, bytes))
      return true
    }
    const onread = reads === 'chunks' ? { buffer: readBuffer, callback } : undefined
    connect(target, 'http/1.1', (error, socket) => (socket ? this.#connected(socket, reads) : this.#fail(error!)), onread)
  }

  /** True if a request can be sent over it now. */
  get fresh(): boolean {
    return performance.now() < this.#idleUntil
  }

  /** Sends a request, as soon as it is connected. */
  send(request: UpstreamRequest, events: AttemptEvents): Attempt {
    const turn = (this.#turn = new Turn(this, request, events))
    if (this.#socket) this.#begin(turn, this.#socket)
    return turn
  }

  carries(turn: Turn): boolean {
    return this.#turn === turn
  }

  resume(): void {
    this.#socket?.resume()
  }

  /** Gives up what is under way, of which nothing more is told. */
  destroy(): void {
    this.#turn?.stopBody?.()
    this.#turn = undefined
    this.#reader.stop()
    this.#destroyed = true
    clearTimeout(this.#idleTimer)
    clearTimeout(this.#ageTimer)
    this.#socket?.destroy()
    this.#owner.gone(this)
  }

  informational(status: number, headers: string[]): void {
    const turn = this.#turn!
    if (status !== 100) turn.events.informational(status, headers)
    else if (turn.request.expectContinue && !turn.stopBody) {
      turn.events.informational(100, [])
      if (turn.request.body) this.#sendBody(turn)
    }
  }

  head(status: number, headers: string[]): void {
    if (!this.#turn!.events.head(status, headers, false)) this.#socket!.pause()
  }

  data(chunk: Buffer): void {
    if (!this.#turn!.events.data(chunk)) this.#socket!.pause()
  }

  #connected(socket: Socket, reads: 'chunks' | 'stream'): void {
    if (this.#destroyed) {
      socket.destroy()
      return
    }
    this.#socket = socket
    if (this.#maxAge > 0) this.#ageTimer = setTimeout(() => this.#grownOld(), this.#maxAge).unref()
    if (reads === 'stream') socket.on('data', this.#received)
    socket.on('end', this.#onEnd).on('close', this.#onClose).resume()
    this.#begin(this.#turn!, socket)
  }

  #begin(turn: Turn, socket: Socket): void {
    const { request } = turn
    turn.events.connected()
    const head = writeHead(request)
    if (!head) {
      this.#fail(new Error('the request cannot be written'))
      return
    }
    this.#served++
    turn.head = head
    this.#reader.begin(request.method, request.upgrade !== undefined)
    // The head leaves in one piece with what is there of the body, and when all that has come is read: a peer of several connections, whose
    // requests then come together, wakes once for them.
    socket.cork()
    socket.write(head.text, 'latin1')
    if (request.body && !request.expectContinue) this.#sendBody(turn)
    setImmediate(uncork, socket)
  }

  #sendBody(turn: Turn): void {
    const { head, request } = turn
    const stop = sendBody(request.body!, head!.length, this.#socket!, {
      ended: () => (turn.bodySent = true),
      broken: () => this.#fail(new Error('the body is not as long as its head says')),
    })
    if (this.#turn === turn) turn.stopBody = stop
    else stop()
  }

  readonly #received = (chunk: Buffer): void => {
    const turn = this.#turn
    if (!turn) {
      // Nobody asked.
      this.destroy()
      return
    }
    let taken: number
    try {
      taken = this.#reader.read(chunk)
    } catch (error) {
      this.#fail(error as Error)
      return
    }
    if (this.#reader.ended) this.#ended(turn, this.#reader.ended, chunk.subarray(taken))
  }

  /** The response is whole; `rest` came behind it. */
  #ended(turn: Turn, end: ResponseEnd, rest: Buffer): void {
    this.#turn = undefined
    turn.stopBody?.()
    if ('switched' in end) this.#handOver(turn, end.switched, rest)
    else {
      if (rest.length === 0 && this.#isReusable(turn)) this.#rest()
      else this.destroy()
      turn.events.end(end.trailers)
    }
  }

  #handOver({ events }: Turn, headers: string[], rest: Buffer): void {
    const socket = this.#socket!
    this.#socket = undefined
    this.destroy()
    socket.pause().off('data', this.#received).off('end', this.#onEnd).off('close', this.#onClose)
    if (rest.length > 0) socket.unshift(rest)
    events.upgraded(headers, socket)
  }

  #isReusable({ request, bodySent }: Turn): boolean {
    return this.#reader.reusable && !this.#old && this.#served < this.#maxRequests && (!request.body || bodySent)
  }

  /** Waits for the next request, no longer than both ends want. */
  #rest(): void {
    const limit = Math.min(this.#idleTimeout, this.#reader.idleTime)
    this.#idleUntil = performance.now() + limit
    this.#idleTimer ??= setTimeout(() => this.#checkIdle(), limit).unref()
    this.#socket!.resume()
    this.#owner.free(this)
  }

  #checkIdle(): void {
    this.#idleTimer = undefined
    if (this.#turn) return
    const left = this.#idleUntil - performance.now()
    if (left > 0) this.#idleTimer = setTimeout(() => this.#checkIdle(), left).unref()
    else this.destroy()
  }

  /** It is as old as it may become: closed now if it is idle, else behind its request. */
  #grownOld(): void {
    this.#old = true
    if (!this.#turn) this.destroy()
  }

  readonly #onEnd = (): void => {
    this.#reader.close()
    if (this.#turn && this.#reader.ended) this.#ended(this.#turn, this.#reader.ended, Buffer.alloc(0))
    else this.#fail(new Error('the endpoint ended the connection'))
  }

  readonly #onClose = (): void => this.#fail(new Error('the connection broke'))

  /** The connection is of no use any more. */
  #fail(error: Error): void {
    const turn = this.#turn
    this.destroy()
    turn?.events.fail(failureOf(error, turn.head !== undefined))
  }
}

/** One request on a connection and what becomes of it. */
class Turn implements Attempt {
  readonly request: UpstreamRequest
  readonly events: AttemptEvents
  /** The request's head, once it is sent. */
  head: Head | undefined
  bodySent = false
  stopBody: (() => void) | undefined
  readonly #connection: Http1Connection

  constructor(connection: Http1Connection, request: UpstreamRequest, events: AttemptEvents) {
    this.#connection = connection
    this.request = request
    this.events = events
  }

  abort(): void {
    if (this.#connection.carries(this)) this.#connection.destroy()
  }

  resume(): void {
    if (this.#connection.carries(this)) this.#connection.resume()
  }
}

const uncork = (socket: Socket): void => socket.uncork()

function failureOf(error: Error, sent: boolean): Failure {
  return { flag: error instanceof BadResponse ? 'UPE' : sent ? 'UC' : 'UF', unsent: !sent, detail: error.message }
}
