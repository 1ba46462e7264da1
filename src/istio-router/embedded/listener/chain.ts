import type { Socket } from 'node:net'
import tls, { type SecureContextOptions, type TLSSocket } from 'node:tls'
import type { Peer } from '../downstream.ts'
import { forwardedCertificate } from '../forwarded.ts'
import type { Shared } from '../manager.ts'
import type { ChainConfig, ChainMatch } from '../resources/listener.ts'
import { TcpService } from '../tcp/service.ts'
import { isAccepted } from './client-certificates.ts'
import { HttpService } from './http.ts'
import { Keypairs } from './keypairs.ts'
import type { Service } from './service.ts'

/** One filter chain: TLS or not, and HTTP or TCP behind it. */
export class Chain {
  readonly service: Service
  readonly #config: ChainConfig
  readonly #keypairs: Keypairs | undefined
  readonly #tls: tls.Server | undefined
  /** The keypair that clients get who ask for no name. */
  #fallback: SecureContextOptions | undefined

  constructor(config: ChainConfig, shared: Shared) {
    const { serve, handshakeTimeout } = config
    this.#config = config
    this.service = serve.kind === 'http' ? new HttpService(serve.manager, handshakeTimeout, shared) : new TcpService(serve.proxy, shared)
    if (!config.tls) return
    const keypairs = (this.#keypairs = new Keypairs(config.tls, shared.secrets))
    const { alpn, versions, ciphers, client } = config.tls
    this.#tls = tls.createServer({
      ALPNProtocols: alpn.length > 0 ? alpn : undefined,
      ...versions,
      ...(ciphers === undefined ? {} : { ciphers }),
      // A certificate that is shown must be good; that none is may be allowed.
      requestCert: client !== undefined,
      rejectUnauthorized: client?.required ?? false,
      handshakeTimeout: handshakeTimeout || 15_000,
      SNICallback: (name, done) => done(null, keypairs.find(name)),
    })
    this.#tls.on('secureConnection', (socket) => this.#serveTls(socket))
    this.#tls.on('tlsClientError', (_error, socket) => socket.destroy())
  }

  get match(): ChainMatch {
    return this.#config.match
  }

  get hasKeypair(): boolean {
    return !this.#keypairs || this.#keypairs.first !== undefined
  }

  accept(socket: Socket, peer: Peer): void {
    if (!this.#tls) {
      this.service.accept(socket, peer)
      return
    }
    peers.set(socket, peer)
    const fallback = this.#keypairs!.first
    if (fallback !== this.#fallback) this.#tls.setSecureContext((this.#fallback = fallback)!)
    this.#tls.emit('connection', socket)
  }

  #serveTls(socket: TLSSocket): void {
    const { _parent: parent } = socket as unknown as { _parent: Socket }
    const client = this.#config.tls?.client
    const certificate = client && socket.getPeerX509Certificate()
    if (certificate && !(socket.authorized && isAccepted(certificate, client))) return void socket.destroy()
    const peer = {
      ...peers.get(parent)!,
      tlsVersion: socket.getProtocol() ?? '',
      tlsCipher: socket.getCipher()?.name,
      serverName: socket.servername || undefined,
      clientCertificate: certificate && forwardedCertificate(certificate),
    }
    this.service.accept(socket, peer)
  }
}

/** The peers of connections whose TLS handshake is under way. */
const peers = new WeakMap<Socket, Peer>()
