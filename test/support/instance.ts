import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, Server, type RequestListener } from 'node:http'
import { createServer as createH2cServer, type Http2Server, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import { createServer as createNetServer, type AddressInfo, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls'
import { issueCertificate, type KeyPair, type Keys } from '../../src/common/pki.ts'
import { dnsNames } from '../../src/common/tls.ts'
import type { Instance } from '../../src/mesh/records.ts'

export interface InstanceOptions {
  guid?: string
  index?: number
  /** The CA that issues instance identities. */
  identities: KeyPair
  /** PEM of the CA that the router's certificate comes from. */
  routerCa: string
  /** Name on the certificate if it is not to be the instance's own: a recycled address. */
  identity?: string
  /** Further names on the certificate. */
  alsoNamed?: string[]
  /** The certificate's key; a new one where absent, which takes a tenth of a second. */
  keys?: Keys
  /** Port to listen on; a free one where absent. */
  port?: number
  handler?: RequestListener
  /** Makes the app speak HTTP/2 without TLS behind the proxy, as one mapped with `--app-protocol http2` does. */
  http2Handler?: (request: Http2ServerRequest, response: Http2ServerResponse) => void
  /** Makes the app speak what it likes. */
  tcpHandler?: (socket: Duplex) => void
}

/** An app instance as a Diego cell offers it: a TLS proxy with the instance's identity that accepts only the router, and the app behind. */
export class TestInstance {
  readonly guid: string
  readonly index: number
  /** How many TLS connections got past the handshake. */
  connections = 0
  requests = 0
  readonly app: Server | Http2Server
  readonly #proxy: TlsServer
  #port = 0
  readonly #sockets = new Set<Socket>()

  private constructor(options: InstanceOptions, guid: string) {
    this.guid = guid
    this.index = options.index ?? 0
    const identity = issueCertificate(
      options.identities,
      { commonName: guid, dns: [options.identity ?? guid, ...(options.alsoNamed ?? [])], organizationalUnits: ['app:test'] },
      options.keys,
    )
    const handler = options.handler ?? ((_request, response) => response.end(`instance ${guid}`))
    this.app = options.http2Handler ? createH2cServer(options.http2Handler) : createServer(handler)
    // Longer than a router keeps an idle connection, so that the two ends never disagree on whether it is open.
    if (this.app instanceof Server) this.app.keepAliveTimeout = 90_000
    this.app.on('request', () => this.requests++)
    this.#proxy = createTlsServer(
      {
        cert: identity.certificate,
        key: identity.key,
        ca: options.routerCa,
        requestCert: true,
        rejectUnauthorized: true,
        ALPNProtocols: ['h2', 'http/1.1'],
      },
      (socket) => {
        if (!dnsNames(socket.getPeerCertificate()).includes('gorouter.service.cf.internal')) return socket.destroy()
        this.connections++
        if (options.tcpHandler) options.tcpHandler(socket)
        else this.app.emit('connection', socket)
      },
    )
    this.#proxy.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
    this.#proxy.on('tlsClientError', () => {})
  }

  static async start(options: InstanceOptions): Promise<TestInstance> {
    const instance = new TestInstance(options, options.guid ?? randomUUID())
    instance.#proxy.listen(options.port ?? 0, '127.0.0.1')
    await once(instance.#proxy, 'listening')
    instance.#port = (instance.#proxy.address() as AddressInfo).port
    return instance
  }

  /** Where it listens, or did. */
  get port(): number {
    return this.#port
  }

  /** Its record, as route-syncer would send it. */
  record(process: string): Instance {
    return {
      process,
      index: this.index,
      address: '127.0.0.1',
      ports: [{ app: 8080, plain: 0, tls: this.port }],
      zone: 'z1',
      since: String(Date.now() * 1e6),
    }
  }

  /** Connections that are open. */
  get open(): number {
    return this.#sockets.size
  }

  /**
   * Lets connections come in and answers none of their bytes, as a host does that hangs; breaks those that there are. Returns what ends it.
   */
  async freeze(): Promise<() => void> {
    const { port } = this
    await this.stop()
    const silent = createNetServer((socket) => void socket.on('error', () => {}))
    silent.listen(port, '127.0.0.1')
    await once(silent, 'listening')
    return () => void silent.close()
  }

  /** Breaks every connection and listens no more, as a container that dies does. */
  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#proxy.close(resolve))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }
}
