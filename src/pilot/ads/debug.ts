import { fastify, type FastifyInstance } from 'fastify'
import { Type, type Static } from 'typebox'
import type { Part } from '../../common/lifecycle.ts'
import type { ClientStatus } from '../../common/xds/server.ts'
import { typeName } from '../../common/xds/protocol.ts'
import type { Exposure } from '../../mesh/records.ts'

const Where = Type.Object(
  { host: Type.String({ minLength: 1, maxLength: 253 }), path: Type.String({ default: '/', maxLength: 8192 }), exposure: Type.Enum(['pub', 'int'], { default: 'pub' }) },
  { additionalProperties: false },
)

export interface DebugServerOptions {
  listen: { host: string; port: number }
  routers: () => ClientStatus[]
  /** What cannot be served of copilot's records. */
  faults: () => object
  explain: (host: string, path: string, exposure: Exposure) => unknown
}

/** Answers what an operator asks when something goes wrong: `/debug/routers`, `/debug/nacks`, `/debug/faults`, `/debug/route?host=&path=&exposure=`. */
export class DebugServer implements Part {
  readonly name = 'debug'
  readonly #options: DebugServerOptions
  readonly #server: FastifyInstance = fastify({ logger: false })

  constructor(options: DebugServerOptions) {
    this.#options = options
    const { routers, faults, explain } = options
    this.#server.get('/debug/routers', () => ({ routers: routers() }))
    this.#server.get('/debug/nacks', () => ({
      nacks: routers().flatMap(({ name: router, refused }) => refused.map(({ typeUrl, ...refusal }) => ({ router, type: typeName(typeUrl), ...refusal }))),
    }))
    this.#server.get('/debug/faults', () => faults())
    this.#server.get<{ Querystring: Static<typeof Where> }>('/debug/route', { schema: { querystring: Where } }, ({ query }) => explain(query.host, query.path, query.exposure))
  }

  async start(): Promise<void> {
    await this.#server.listen(this.#options.listen)
  }

  async stop(): Promise<void> {
    await this.#server.close()
  }
}
