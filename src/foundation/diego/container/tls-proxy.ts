import { once } from 'node:events'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import type { KeyPair } from '../../../common/pki.ts'
import { peerNames } from '../../../common/tls.ts'

/** The names that cf-deployment has cells accept (rep's `containers.proxy.verify_subject_alt_name`). */
export const routerNames = ['gorouter.service.cf.internal', 'ssh-proxy.service.cf.internal', 'tcp-router.service.cf.internal']

export interface TlsProxyOptions {
  identity: KeyPair
  /** CAs of the routers, PEM. */
  clientCa: string
  /** DNS names of which a router's certificate must bear one. */
  clientNames: string[]
  /** Address and port of the app. */
  target: { host: string; port: number }
  listenHost: string
}

/**
 * The instance's own TLS end, as Diego's Envoy beside each container: shows the instance's certificate, lets in only routers,
 * and passes bytes on, so that HTTP/1.1, HTTP/2, gRPC and WebSocket are the app's affair.
 */
export class TlsProxy {
  readonly #server: Server
  readonly #options: TlsProxyOptions
  readonly #sockets = new Set<Socket>()

  constructor(options: TlsProxyOptions) {
    this.#options = options
    const { identity, clientCa } = options
    this.#server = createServer({
      cert: identity.certificate,
      key: identity.key,
      ca: clientCa,
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2',
      allowHalfOpen: true,
      noDelay: true,
      // h2 if the client offers it, as cells do; a protocol that we don't know passes as well.
      ALPNCallback: ({ protocols }) => ['h2', 'http/1.1'].find((protocol) => protocols.includes(protocol)) ?? protocols[0],
    })
    this.#server.on('connection', (socket: Socket) => this.#track(socket))
    this.#server.on('secureConnection', (client) => this.#forward(client))
    this.#server.on('tlsClientError', () => {})
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  async start(): Promise<void> {
    this.#server.listen(0, this.#options.listenHost)
    await once(this.#server, 'listening')
  }

  /** Shows a renewed certificate on connections from now on. */
  renew(identity: KeyPair): void {
    this.#server.setSecureContext({ cert: identity.certificate, key: identity.key, ca: this.#options.clientCa, minVersion: 'TLSv1.2' })
  }

  /** Lets nobody in any more, while those that are in go on: a router that comes now can safely turn to another instance. */
  refuse(): void {
    if (this.#server.listening) this.#server.close()
  }

  /** Closes the port and every connection. */
  stop(): void {
    this.refuse()
    for (const socket of this.#sockets) socket.destroy()
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
  }

  #forward(client: TLSSocket): void {
    client.on('error', () => client.destroy())
    if (!peerNames(client).some((name) => this.#options.clientNames.includes(name))) return void client.destroy()
    const app = connect({ ...this.#options.target, allowHalfOpen: true, noDelay: true })
    this.#track(app)
    app.on('error', () => client.destroy())
    client.once('close', () => app.destroySoon())
    app.once('close', () => client.destroySoon())
    client.pipe(app)
    app.pipe(client)
  }
}
