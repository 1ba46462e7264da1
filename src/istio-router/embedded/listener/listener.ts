import net, { type Server, type Socket } from 'node:net'
import type { Peer } from '../downstream.ts'
import type { Shared } from '../manager.ts'
import type { ListenerConfig } from '../resources/listener.ts'
import { Chain } from './chain.ts'
import { chooseChain } from './choice.ts'
import { readClientHello, type FirstBytes } from './client-hello.ts'
import { peek } from './peek.ts'
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

  /** Requests, and connections that are passed on, in flight. */
  get active(): number {
    return [...this.#chains, ...this.#retired].reduce((sum, { service }) => sum + service.active, 0)
  }

  /** The port it is bound to, which differs from the configured one if that is 0. */
  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address ? address.port : 0
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
    this.#retired = [...this.#retired.filter(({ service }) => service.active > 0), ...this.#chains]
    for (const { service } of this.#chains) service.retire()
    this.#chains = config.chains.map((chain) => new Chain(chain, this.#shared))
  }

  /** Stops accepting and closes connections as soon as nothing is in flight on them. */
  retire(): void {
    this.#server.close()
    for (const { service } of this.#chains) service.retire()
  }

  /** Closes everything at once. */
  close(): void {
    this.retire()
    for (const { service } of [...this.#chains, ...this.#retired]) service.close()
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
    peek(socket, this.config.firstBytesTimeout, look, () => this.#serve(socket, proxied))
  }

  #serve(socket: Socket, proxied: Proxied | undefined): void {
    const peer = peerOf(socket, proxied)
    if (!peer) {
      socket.destroy()
      return
    }
    if (!this.config.readsServerName) {
      this.#choose(socket, peer)
      return
    }
    let first: FirstBytes
    const look = (seen: Buffer): number | undefined => {
      first = readClientHello(seen)
      return first && 0
    }
    peek(socket, this.config.firstBytesTimeout, look, () =>
      this.#choose(socket, { ...peer, serverName: first?.tls ? first.serverName : undefined }),
    )
  }

  #choose(socket: Socket, peer: Peer): void {
    const chain = chooseChain(this.#chains, peer)
    if (chain) chain.accept(socket, peer)
    else socket.destroy()
  }
}

function peerOf(socket: Socket, proxied: Proxied | undefined): Peer | undefined {
  const { remoteAddress, remotePort, localAddress, localPort } = socket
  if (remoteAddress === undefined) return undefined
  const directAddress = plain(remoteAddress)
  const addresses = proxied ?? {
    remoteAddress: directAddress,
    remotePort: remotePort!,
    localAddress: plain(localAddress!),
    localPort: localPort!,
  }
  return { ...addresses, directAddress, tlsVersion: undefined, tlsCipher: undefined, serverName: undefined, clientCertificate: undefined }
}

/** An IPv4 address that a dual-stack socket shows as IPv6, as IPv4. */
function plain(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}
