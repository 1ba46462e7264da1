import type { FastifyInstance } from 'fastify'
import { Type, type Static } from 'typebox'
import type { Agent } from './agent/agent.ts'

const Query = Type.Object({ cluster: Type.String({ minLength: 1, maxLength: 4096 }) }, { additionalProperties: false })

/** `/debug/resources?cluster=NAME`: what this router uses for a cluster, as `{version, instances: [guid, …]}`. */
export function debugRoutes(server: FastifyInstance, agent: Agent): void {
  server.get<{ Querystring: Static<typeof Query> }>('/debug/resources', { schema: { querystring: Query } }, ({ query }) =>
    agent.accepted(query.cluster),
  )
}
