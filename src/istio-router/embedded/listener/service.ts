import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Peer } from '../downstream.ts'

/** What is spoken on the connections of a filter chain, once TLS, if any, has ended. */
export interface Service {
  /** Takes a connection, with what is known of its client. */
  accept(socket: Socket | TLSSocket, peer: Peer): void
  /** Requests, or connections, in flight. */
  readonly active: number
  /** Lets connections end with what is in flight. */
  retire(): void
  /** Closes everything at once. */
  close(): void
}
