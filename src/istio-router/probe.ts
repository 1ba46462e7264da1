import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Condition } from '../common/health.ts'
import type { Part } from '../common/lifecycle.ts'

/** What load balancers ask: `GET /health` answers 200 while this router serves and 503 while it starts or drains. It tells nothing else. */
export class Probe implements Part {
  readonly name = 'probe'
  readonly #listen: { host: string; port: number }
  readonly #server

  constructor(listen: { host: string; port: number }, conditions: (() => Condition)[]) {
    this.#listen = listen
    this.#server = createServer((request, response) => {
      const status = request.url !== '/health' ? 404 : conditions.every((condition) => condition().ready) ? 200 : 503
      // A connection each time, so that none keeps the router from ending.
      response.writeHead(status, { connection: 'close', 'content-type': 'text/plain' }).end(status === 200 ? 'ok\n' : 'not serving\n')
    })
  }

  async start(): Promise<void> {
    this.#server.listen(this.#listen)
    await once(this.#server, 'listening')
  }

  async stop(): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
  }
}
