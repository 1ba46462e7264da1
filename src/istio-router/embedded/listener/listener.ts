import net, { BlockList, isIPv6, type Server, type Socket } from 'node:net'
import tls, { type SecureContextOptions, type TLSSocket } from 'node:tls'
import type { Peer } from '../downstream.ts'
import { forwardedCertificate } from '../forwarded.ts'
import { Manager, type Shared } from '../manager.ts'
import type { ChainConfig, ListenerConfig, Range } from '../resources/listener.ts'
import { Http1Server } from './http1.ts'
import { Http2Server } from './http2.ts'
import { Keypairs } from './keypairs.ts'
import { isHttp2, peek } from './peek.ts'
import { readProxyHeader, type Proxied } from './proxy-protocol.ts'

/** A bound socket and what it serves. A changed configuration holds for new connections; old ones end with what is in flight. */
export class Listener {
  config: ListenerConfig
  readonly #shared: Shared
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #chains: Chain[]
  #retired: Chain[] = []

  constructor(config: ListenerConfig, shared: Shared) {
    this.config = config
    this.#shared = shared
    this.#chains = config.chains.map((chain) => new Chain(chain, shared))
    this.#server = net.createServer({ noDelay: true, keepAlive: true }, (socket) => this.#accept(socket))
  }

  /** True if the TLS keypairs that it needs are there. */
  get hasKeypairs(): boolean {
    return this.#chains.every((chain) => chain.hasKeypair)
  }

  /** Requests in flight. */
  get active(): number {
    return [...this.#chains, ...this.#retired].reduce((sum, { manager }) => sum + manager.exchanges.size, 0)
  }

  /** The port it is bound to, which differs from the configured one if that is 0. */
  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address ? address.port : 0
  }

  get bound(): boolean {
    return this.#server.listening
  }

  /** Binds the socket. Rejects with the system's error. */
  async bind(): Promise<void> {
    const { address: host, port } = this.config
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host, port, backlog: 1024 }, () => {
        this.#server.off('error', reject).on('error', () => {})
        resolve()
      })
    })
  }

  /** Takes a configuration with the same address. */
  update(config: ListenerConfig): void {
    this.config = config
    this.#retired = [...this.#retired.filter(({ manager }) => manager.exchanges.size > 0), ...this.#chains]
    for (const chain of this.#chains) chain.retire()
    this.#chains = config.chains.map((chain) => new Chain(chain, this.#shared))
  }

  /** Stops accepting and closes connections as soon as nothing is in flight on them. */
  retire(): void {
    this.#server.close()
    for (const chain of this.#chains) chain.retire()
  }

  /** Closes everything at once. */
  close(): void {
    this.retire()
    for (const chain of [...this.#chains, ...this.#retired]) chain.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('error', () => {})
    const { proxyProtocol } = this.config
    if (!proxyProtocol) {
      this.#serve(socket, undefined)
      return
    }
    let proxied: Proxied | undefined
    const look = (seen: Buffer): number | undefined => {
      const header = readProxyHeader(seen)
      if (header === 'more') return undefined
      if (typeof header === 'object') {
        proxied = header.addresses
        return header.length
      }
      if (header === 'bad' || proxyProtocol === 'required') socket.destroy()
      return 0
    }
    peek(socket, this.#chains[0]?.config.handshakeTimeout ?? 0, look, () => this.#serve(socket, proxied))
  }

  #serve(socket: Socket, proxied: Proxied | undefined): void {
    const peer = peerOf(socket, proxied)
    if (!peer) {
      socket.destroy()
      return
    }
    let best: Chain | undefined
    for (const chain of this.#chains) if (chain.fit(peer) > (best?.fit(peer) ?? -1)) best = chain
    if (best) best.accept(socket, peer)
    else socket.destroy()
  }
}

/** One filter chain: TLS or not, and a connection manager for HTTP/1.1 and HTTP/2. */
class Chain {
  readonly config: ChainConfig
  readonly manager: Manager
  readonly #http1: Http1Server
  readonly #http2: Http2Server
  readonly #keypairs: Keypairs | undefined
  readonly #tls: tls.Server | undefined
  /** The keypair that clients get who ask for no name. */
  #fallback: SecureContextOptions | undefined

  constructor(config: ChainConfig, shared: Shared) {
    this.config = config
    this.manager = new Manager(config.manager, shared)
    this.#http1 = new Http1Server(this.manager)
    this.#http2 = new Http2Server(this.manager)
    if (!config.tls) return
    const keypairs = (this.#keypairs = new Keypairs(config.tls, shared.secrets))
    this.#tls = tls.createServer({
      ALPNProtocols: config.tls.alpn.length > 0 ? config.tls.alpn : undefined,
      ...config.tls.versions,
      // A certificate that is shown must be good; that none is may be allowed.
      requestCert: config.tls.clientCa !== undefined,
      rejectUnauthorized: config.tls.requireClientCertificate,
      handshakeTimeout: config.handshakeTimeout || 15_000,
      SNICallback: (name, done) => done(null, keypairs.find(name)),
    })
    this.#tls.on('secureConnection', (socket) => this.#serveTls(socket))
    this.#tls.on('tlsClientError', (_error, socket) => socket.destroy())
  }

  get hasKeypair(): boolean {
    return !this.#keypairs || this.#keypairs.first !== undefined
  }

  /** How well its ranges fit: the bits of the longest that holds, 0 for a chain without any, -1 for one that is not for this peer. */
  fit({ remoteAddress, directAddress }: Peer): number {
    const direct = longest(this.config.peers, directAddress)
    const source = longest(this.config.sources, remoteAddress)
    return direct < 0 || source < 0 ? -1 : direct + source
  }

  accept(socket: Socket, peer: Peer): void {
    if (!this.#tls) {
      this.#serveClear(socket, peer)
      return
    }
    peers.set(socket, peer)
    const fallback = this.#keypairs!.first
    if (fallback !== this.#fallback) this.#tls.setSecureContext((this.#fallback = fallback)!)
    this.#tls.emit('connection', socket)
  }

  retire(): void {
    this.manager.closing = true
    this.#http1.closeIdle()
    this.#http2.closeIdle()
  }

  close(): void {
    this.#http1.close()
    this.#http2.close()
  }

  #serveClear(socket: Socket, peer: Peer): void {
    let http2 = false
    const look = (seen: Buffer): number | undefined => {
      const answer = isHttp2(seen)
      http2 = answer === true
      return answer === undefined ? undefined : 0
    }
    peek(socket, this.config.manager.headersTimeout || this.config.handshakeTimeout, look, () => (http2 ? this.#http2 : this.#http1).accept(socket, peer))
  }

  #serveTls(socket: TLSSocket): void {
    const { _parent: parent } = socket as unknown as { _parent: Socket }
    const certificate = this.config.tls?.clientCa === undefined ? undefined : socket.getPeerX509Certificate()
    if (certificate && !socket.authorized) return void socket.destroy()
    const peer = { ...peers.get(parent)!, tlsVersion: socket.getProtocol() ?? '', tlsCipher: socket.getCipher()?.name, serverName: socket.servername || undefined, clientCertificate: certificate && forwardedCertificate(certificate) }
    ;(socket.alpnProtocol === 'h2' ? this.#http2 : this.#http1).accept(socket, peer)
  }
}

/** The peers of connections whose TLS handshake is under way. */
const peers = new WeakMap<Socket, Peer>()

function peerOf(socket: Socket, proxied: Proxied | undefined): Peer | undefined {
  const { remoteAddress, remotePort, localAddress, localPort } = socket
  if (remoteAddress === undefined) return undefined
  const directAddress = plain(remoteAddress)
  const addresses = proxied ?? { remoteAddress: directAddress, remotePort: remotePort!, localAddress: plain(localAddress!), localPort: localPort! }
  return { ...addresses, directAddress, tlsVersion: undefined, tlsCipher: undefined, serverName: undefined, clientCertificate: undefined }
}

/** An IPv4 address that a dual-stack socket shows as IPv6, as IPv4. */
function plain(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}

function longest(ranges: Range[], address: string): number {
  if (ranges.length === 0) return 0
  const family = isIPv6(address) ? 'ipv6' : 'ipv4'
  let best = -1
  for (const range of ranges) {
    const rangeFamily = isIPv6(range.address) ? 'ipv6' : 'ipv4'
    if (rangeFamily !== family) continue
    const list = new BlockList()
    list.addSubnet(range.address, range.bits, family)
    if (list.check(address, family)) best = Math.max(best, range.bits + 1)
  }
  return best
}
