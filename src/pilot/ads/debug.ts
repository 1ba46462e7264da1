import { fastify, type FastifyInstance } from 'fastify'
import { Type, type Static } from 'typebox'
import type { Part } from '../../common/lifecycle.ts'
import type { ClientStatus } from '../../common/xds/server.ts'
import { typeName } from '../../common/xds/protocol.ts'
import { parseHeaders } from '../../mesh/rules/trace.ts'
import type { Asked } from '../explain.ts'

const Where = Type.Object(
  {
    host: Type.String({ minLength: 1, maxLength: 260 }),
    path: Type.String({ default: '/', maxLength: 8192 }),
    exposure: Type.Enum(['pub', 'int'], { default: 'pub' }),
    method: Type.String({ default: 'GET', maxLength: 100 }),
    scheme: Type.Enum(['http', 'https'], { default: 'http' }),
    header: Type.Array(Type.String({ pattern: '^[^:\\s]+:', maxLength: 8192 }), {
      default: [],
      maxItems: 100,
      description: '`NAME: VALUE`',
    }),
    space: Type.Optional(Type.String({ maxLength: 100, description: 'Guid of the space of the app that asks, by its certificate' })),
  },
  { additionalProperties: false },
)

export interface DebugServerOptions {
  listen: { host: string; port: number }
  routers: () => ClientStatus[]
  /** What cannot be served of copilot's records. */
  faults: () => object
  explain: (host: string, path: string, asked: Asked) => unknown
}

/**
 * Answers what an operator asks when something goes wrong: `/debug/routers`, `/debug/nacks`, `/debug/faults`,
 * `/debug/route?host=&path=&exposure=&method=&scheme=&header=&space=`.
 */
export class DebugServer implements Part {
  readonly name = 'debug'
  readonly #options: DebugServerOptions
  readonly #server: FastifyInstance = fastify({ logger: false })

  constructor(options: DebugServerOptions) {
    this.#options = options
    const { routers, faults, explain } = options
    this.#server.get('/debug/routers', () => ({ routers: routers() }))
    this.#server.get('/debug/nacks', () => ({
      nacks: routers().flatMap(({ name: router, refused }) =>
        refused.map(({ typeUrl, ...refusal }) => ({ router, type: typeName(typeUrl), ...refusal })),
      ),
    }))
    this.#server.get('/debug/faults', () => faults())
    this.#server.get<{ Querystring: Static<typeof Where> }>(
      '/debug/route',
      { schema: { querystring: Where } },
      ({ query: { host, path, header, ...asked } }) => explain(host, path, { ...asked, headers: parseHeaders(header) }),
    )
  }

  async start(): Promise<void> {
    await this.#server.listen(this.#options.listen)
  }

  async stop(): Promise<void> {
    await this.#server.close()
  }
}
