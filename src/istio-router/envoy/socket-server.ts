import { once } from 'node:events'
import { chmodSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'

/** More than Envoy lets through of a request's headers. */
const maxHeaderSize = 16 * 1024 * 1024

/** Answers Envoy's questions by HTTP on a Unix socket that is only ours. It is for Envoy to close connections: it would ask on one that ends. */
export class SocketServer {
  readonly #server: Server

  constructor(answer: RequestListener) {
    this.#server = createServer({ maxHeaderSize, keepAliveTimeout: 0 }, answer)
  }

  async listen(path: string): Promise<void> {
    this.#server.listen(path)
    await once(this.#server, 'listening')
    chmodSync(path, 0o600)
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }
}
