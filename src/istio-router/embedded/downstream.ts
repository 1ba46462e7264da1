import type { Duplex } from 'node:stream'
import type { Exchange } from './exchange.ts'
import type { Headers } from './http/headers.ts'
import type { RequestBody } from './upstream/attempt.ts'

/** Both ends of a client's connection, told by PROXY protocol where the listener has it. */
export interface Peer {
  remoteAddress: string
  remotePort: number
  localAddress: string
  localPort: number
  /** Address of who connected to us, which differs from `remoteAddress` behind PROXY protocol. */
  directAddress: string
  tlsVersion: string | undefined
  tlsCipher: string | undefined
  serverName: string | undefined
  /** What `X-Forwarded-Client-Cert` tells of the client's certificate. */
  clientCertificate: string | undefined
}

/** A request as it came from a client, its framing checked. */
export interface RequestHead {
  method: string
  /** Path and query as the client sent them. */
  target: string
  authority: string
  scheme: 'http' | 'https'
  protocol: 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2'
  /** Lower-case names; without host, fields of the connection, `expect` and `upgrade`. */
  headers: Headers
  /** Undefined if the request has none. */
  body: Omit<RequestBody, 'passed'> | undefined
  expectContinue: boolean
  /** Protocol that the client asks to upgrade to, lower case. */
  upgrade: string | undefined
  peer: Peer
}

/** The client's side of one exchange, of HTTP/1.1 or HTTP/2. */
export interface Downstream {
  informational(status: number, headers: string[]): void
  /** Begins the response; `whole` is its body where all of it is known, and nothing follows. */
  respond(status: number, headers: Headers, whole: Buffer | undefined): void
  /** Copies the chunk. False asks to wait for `exchange.resume()`. */
  write(chunk: Buffer): boolean
  end(trailers: string[]): void
  /** Says that the protocol is switched and hands over the connection. */
  upgrade(headers: Headers): Duplex
  /** Breaks off, so that the client can tell that the response is not whole. */
  abort(): void
  /** Who is told when the client takes more of the response (`resume`), and when it is gone (`clientGone`). */
  exchange: Pick<Exchange, 'resume' | 'clientGone'> | undefined
}
