import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { connect } from 'node:tls'
import type { TlsMaterial } from '../../src/common/tls.ts'

/** A request with its answer, byte for byte as the server wrote it: head, chunk headers and all. */
export interface RawExchange {
  path: string
  request: Buffer
  /** Grows while the answer comes. */
  answer: Buffer[]
}

export interface TlsRecorderOptions {
  /** `https://host:port` of the server. */
  target: string
  serverName: string
  /** Shown to clients as the server's certificate, and to the server as a client's. */
  tls: TlsMaterial
  tell: (exchange: RawExchange) => void
}

/**
 * A proxy with mutual TLS before a server whose answers Node's HTTP parser refuses, as BBS's event stream. It passes them on, and tells
 * them, unparsed.
 */
export class TlsRecorder {
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
  }

  static async start({ target, serverName, tls, tell }: TlsRecorderOptions): Promise<TlsRecorder> {
    const { hostname, port } = new URL(target)
    const server = createServer({ ...tls, requestCert: true, ALPNProtocols: ['http/1.1'] }, (incoming) => {
      const pass = async (): Promise<void> => {
        const exchange: RawExchange = { path: incoming.url!, request: await buffer(incoming), answer: [] }
        const upstream = connect({ host: hostname, port: Number(port), ...tls, servername: serverName })
        await once(upstream, 'secureConnect')
        tell(exchange)
        upstream.on('data', (bytes: Buffer) => {
          exchange.answer.push(bytes)
          incoming.socket.write(bytes)
        })
        upstream.on('close', () => incoming.socket.end())
        upstream.on('error', () => incoming.socket.destroy())
        incoming.socket.on('close', () => upstream.destroy())
        upstream.write(head(incoming))
        upstream.write(exchange.request)
      }
      pass().catch(() => incoming.socket.destroy())
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new TlsRecorder(server)
  }

  get url(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

/** The request's head, asking for the end of the connection, which tells where an answer ends. */
function head({ method, url, rawHeaders }: IncomingMessage): string {
  const pairs = Array.from({ length: rawHeaders.length / 2 }, (_, at) => [rawHeaders[at * 2]!, rawHeaders[at * 2 + 1]!] as const)
  const kept = pairs.filter(([name]) => name.toLowerCase() !== 'connection')
  return [`${method} ${url} HTTP/1.1`, ...kept.map(([name, value]) => `${name}: ${value}`), 'Connection: close', '', ''].join('\r\n')
}
