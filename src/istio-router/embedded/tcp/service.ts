import type { Socket } from 'node:net'
import type { Peer } from '../downstream.ts'
import type { Service } from '../listener/service.ts'
import type { Shared } from '../manager.ts'
import type { TcpProxyConfig } from '../resources/tcp-proxy.ts'
import { TcpConnection } from './connection.ts'

/** Passes connections on as they are. Envoy: envoy.filters.network.tcp_proxy. */
export class TcpService implements Service {
  readonly #config: TcpProxyConfig
  readonly #shared: Shared
  readonly #connections = new Set<TcpConnection>()

  constructor(config: TcpProxyConfig, shared: Shared) {
    this.#config = config
    this.#shared = shared
  }

  get active(): number {
    return this.#connections.size
  }

  accept(socket: Socket, peer: Peer): void {
    const connection = new TcpConnection(socket, peer, this.#config, this.#shared, () => this.#connections.delete(connection))
    this.#connections.add(connection)
    connection.start()
  }

  /** Connections have no pause in which they could be closed: they go on until they end. */
  retire(): void {}

  close(): void {
    for (const connection of this.#connections) connection.close()
  }
}
