import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Peer } from '../downstream.ts'
import { Manager, type Shared } from '../manager.ts'
import type { ManagerConfig } from '../resources/manager.ts'
import { Http1Server } from './http1.ts'
import { Http2Server } from './http2.ts'
import { isHttp2, peek } from './peek.ts'
import type { Service } from './service.ts'

/** HTTP/1.1 and HTTP/2: by ALPN over TLS, else by how a connection begins. */
export class HttpService implements Service {
  readonly #manager: Manager
  readonly #handshakeTimeout: number
  readonly #http1: Http1Server
  readonly #http2: Http2Server

  /** A connection has `handshakeTimeout` milliseconds to begin where the manager itself says nothing. */
  constructor(config: ManagerConfig, handshakeTimeout: number, shared: Shared) {
    this.#manager = new Manager(config, shared)
    this.#handshakeTimeout = handshakeTimeout
    this.#http1 = new Http1Server(this.#manager)
    this.#http2 = new Http2Server(this.#manager)
  }

  get active(): number {
    return this.#manager.exchanges.size
  }

  accept(socket: Socket, peer: Peer): void {
    if (socket instanceof TLSSocket) {
      ;(socket.alpnProtocol === 'h2' ? this.#http2 : this.#http1).accept(socket, peer)
      return
    }
    let http2 = false
    const look = (seen: Buffer): number | undefined => {
      const answer = isHttp2(seen)
      http2 = answer === true
      return answer === undefined ? undefined : 0
    }
    peek(socket, this.#manager.config.headersTimeout || this.#handshakeTimeout, look, () =>
      (http2 ? this.#http2 : this.#http1).accept(socket, peer),
    )
  }

  retire(): void {
    this.#manager.closing = true
    this.#http1.closeIdle()
    this.#http2.closeIdle()
  }

  close(): void {
    this.#http1.close()
    this.#http2.close()
  }
}
