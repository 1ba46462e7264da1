import http, { ServerResponse, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Downstream, Peer } from '../downstream.ts'
import { Exchange } from '../exchange.ts'
import type { Headers } from '../http/headers.ts'
import type { Manager } from '../manager.ts'
import { BodyWriter } from './body-writer.ts'
import { offeredUpgrade, readHead } from './http1-head.ts'

/** Time that a client gets to send the rest of a request that has been answered already, milliseconds. */
const lingerTime = 5000

/** As Node notes at a connection which response has it. */
type Answering = Socket & { _httpMessage?: ServerResponse | null }

interface Connection {
  peer: Peer
  /** That of the request that came last. */
  last?: ServerResponse
  upgrading?: true
}

/** Serves HTTP/1.1 on connections that are handed to it. */
export class Http1Server {
  readonly #server: http.Server
  readonly #manager: Manager
  readonly #connections = new WeakMap<Duplex, Connection>()
  #open = 0

  constructor(manager: Manager) {
    const { config } = manager
    this.#manager = manager
    const options = {
      maxHeaderSize: config.maxHeaderBytes,
      insecureHTTPParser: false,
      requireHostHeader: false,
      headersTimeout: config.headersTimeout,
      requestTimeout: 0,
      keepAliveTimeout: config.idleTimeout,
      connectionsCheckingInterval: Math.max(100, Math.min(config.headersTimeout / 4 || 30_000, 30_000)),
      shouldUpgradeCallback: ({ headers }: IncomingMessage) => offeredUpgrade(headers.upgrade, config) !== undefined,
    }
    this.#server = http.createServer(options)
    this.#server.maxHeadersCount = 0
    this.#server.on('request', (request: IncomingMessage, response: ServerResponse) => this.#receive(request, response, false))
    this.#server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => this.#receive(request, response, true))
    this.#server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
      this.#connections.get(request.socket)!.last = response
      response.writeHead(417, { connection: 'close' }).end()
    })
    for (const event of ['upgrade', 'connect']) {
      this.#server.on(event, (request: IncomingMessage, socket: Socket, head: Buffer) => this.#receiveUpgrade(request, socket, head))
    }
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket: Answering) => this.#refuse(error, socket))
  }

  accept(socket: Duplex, peer: Peer): void {
    this.#connections.set(socket, { peer })
    // The watch over slow headers, a timer, goes from Node's `listening` to `close`, which this server has by its connections.
    if (this.#open++ === 0) this.#server.emit('listening')
    socket.once('close', () => {
      if (--this.#open === 0) this.#server.close()
    })
    this.#server.emit('connection', socket)
    socket.resume()
  }

  closeIdle(): void {
    this.#server.closeIdleConnections()
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  /** A pipelined request has its turn when the one before it has its answer: one connection costs one instance at a time. */
  #receive(request: IncomingMessage, response: ServerResponse, expectContinue: boolean): void {
    const { socket } = request
    const connection = this.#connections.get(socket)!
    connection.last = response
    if (response.socket !== null) return this.#serve(request, response, expectContinue)
    // Not at once: Node never again reads from a connection that is upgraded while it is paused.
    process.nextTick(() => {
      if (response.socket === null && !connection.upgrading) socket.pause()
    })
    response.once('socket', () => {
      socket.resume()
      this.#serve(request, response, expectContinue)
    })
  }

  #serve(request: IncomingMessage, response: ServerResponse, expectContinue: boolean): void {
    const { peer } = this.#connections.get(request.socket)!
    const { head, fault } = readHead(request, this.#manager.config, peer, expectContinue)
    const exchange = new Exchange(this.#manager, new Http1Downstream(this.#manager, request, response, fault !== undefined), head)
    if (fault) exchange.reply(fault.status, '', fault.flag, fault.detail)
    else exchange.start()
  }

  /** So has a request to upgrade; what follows it waits in the connection, which those before it would have read on. */
  #receiveUpgrade(request: IncomingMessage, socket: Socket, rest: Buffer): void {
    socket.on('error', () => {})
    // Node no longer tells the responses to those before, nor this one's.
    socket.on('drain', () => (socket as Answering)._httpMessage?.emit('drain'))
    if (rest.length > 0) socket.unshift(rest)
    const connection = this.#connections.get(socket)!
    connection.upgrading = true
    const { last } = connection
    if (!last || last.closed) return this.#serveUpgrade(request, socket)
    const hold = (): unknown => socket.pause()
    socket.on('resume', hold)
    last.once('close', () => {
      socket.off('resume', hold)
      if (!socket.destroyed) this.#serveUpgrade(request, socket)
    })
  }

  /** Node hands over the bare connection; until it is known what comes of it, it is answered through a response of its own. */
  #serveUpgrade(request: IncomingMessage, socket: Socket): void {
    const response = new ServerResponse(request)
    response.shouldKeepAlive = false
    response.assignSocket(socket)
    response.on('finish', () => {
      response.detachSocket(socket)
      socket.destroySoon()
    })
    socket.on('close', () => response.emit('close'))
    this.#serve(request, response, false)
  }

  #refuse({ code }: NodeJS.ErrnoException, socket: Answering): void {
    this.#manager.shared.metrics.requests[4]!++
    if (socket.writable && !socket._httpMessage?.headersSent)
      socket.write(`HTTP/1.1 ${refusals[code ?? ''] ?? '400 Bad Request'}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
    // A response that ends with this turn leaves before.
    setImmediate(() => socket.destroySoon())
  }
}

const refusals: Record<string, string> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Payload Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
}

class Http1Downstream implements Downstream {
  exchange: Downstream['exchange']
  readonly #manager: Manager
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #close: boolean
  readonly #body: BodyWriter

  constructor(manager: Manager, request: IncomingMessage, response: ServerResponse, close: boolean) {
    this.#manager = manager
    this.#request = request
    this.#response = response
    this.#close = close
    this.#body = new BodyWriter(response, () => this.exchange?.resume())
    response.on('close', () => this.exchange?.clientGone())
  }

  informational(status: number, headers: string[]): void {
    const { socket } = this.#response
    if (!socket || this.#request.httpVersionMinor === 0) return
    socket.write(rawHead(status, headers), 'latin1')
  }

  respond(status: number, headers: Headers, whole: Buffer | undefined): void {
    const response = this.#response
    if (this.#close || this.#manager.draining) headers.set('connection', 'close')
    response.writeHead(status, this.#writable(status, headers, whole !== undefined))
    if (!whole) {
      this.#body.begin()
      return
    }
    this.#leaveRequest()
    response.end(whole.toString('latin1'), 'latin1')
  }

  /**
   * The fields as Node can write them: behind a length it takes `Content-Disposition` for UTF-8, which file names may be or not, and where
   * the body does not come in chunks it refuses `Trailer`, which then says nothing.
   */
  #writable(status: number, headers: Headers, whole: boolean): string[] {
    const sized = whole || status === 204 || status === 304 || this.#request.method === 'HEAD' || headers.has('content-length')
    if (sized && headers.has('trailer')) headers.remove('trailer')
    if (!headers.has('content-disposition')) return headers.list
    const disposition = headers.all('content-disposition')
    headers.remove('content-disposition')
    return [...disposition.flatMap((value) => ['content-disposition', value]), ...headers.list]
  }

  write(chunk: Buffer): boolean {
    return this.#body.write(chunk)
  }

  end(trailers: string[]): void {
    if (trailers.length > 0) {
      this.#body.flush()
      this.#response.addTrailers(pairs(trailers))
    }
    this.#leaveRequest()
    this.#body.endWithTurn()
  }

  upgrade(headers: Headers): Duplex {
    const response = this.#response
    const socket = response.socket!
    response.detachSocket(socket)
    socket.setTimeout(0)
    socket.write(rawHead(101, ['connection', 'Upgrade', ...headers.list]), 'latin1')
    return socket
  }

  abort(): void {
    this.#request.socket.destroy()
  }

  /**
   * The rest of the request, if any, is read and dropped, but not for ever. A connection that is to end with this response is ended on our side
   * alone until then: closed whole, it would be reset by what is on its way, and the response be lost.
   */
  #leaveRequest(): void {
    const request = this.#request
    if (request.complete) return
    const { socket } = request
    const isLast = !this.#response.shouldKeepAlive
    const timer = setTimeout(() => socket.destroy(), lingerTime)
    if (isLast) socket.destroySoon = () => socket.end()
    const lasting = isLast ? socket : request
    lasting.once('close', () => clearTimeout(timer))
    request.resume()
  }
}

function rawHead(status: number, headers: string[]): string {
  let head = `HTTP/1.1 ${status} ${http.STATUS_CODES[status] ?? ''}\r\n`
  for (let i = 0; i < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`
  return `${head}\r\n`
}

function pairs(flat: string[]): [string, string][] {
  return Array.from({ length: flat.length / 2 }, (_, index) => [flat[2 * index]!, flat[2 * index + 1]!])
}
