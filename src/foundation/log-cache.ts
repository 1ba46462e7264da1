import { fastify, type FastifyInstance } from 'fastify'
import type { Diego, LogEnvelope } from './diego.ts'
import { Access } from './cc/access.ts'
import type { Store } from './store/store.ts'
import type { SigningKey } from './uaa/keys.ts'

export interface LogCacheOptions {
  store: Store
  diego: Diego
  key: SigningKey
}

interface Read {
  Params: { source: string }
  Querystring: { start_time?: string; end_time?: string; limit?: string; descending?: string; envelope_types?: string | string[] }
}

/** Log cache's reads, as `cf logs` and `cf push` use them: an app's log lines, newest or oldest first. */
export function createLogCache({ store, diego, key }: LogCacheOptions): FastifyInstance {
  const api = fastify({ logger: false })
  const info = () => ({ version: '3.0.11', vm_uptime: String(Math.floor(process.uptime())) })
  api.get('/api/v1/info', info)
  api.get('/v1/info', info)

  for (const path of ['/api/v1/read/:source', '/v1/read/:source']) {
    api.get<Read>(path, async (request, reply) => {
      const token = /^bearer\s+(\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
      const claims = token ? await key.verify(token) : undefined
      const app = store.apps.get(request.params.source)
      // Whoever may not read an app is told no more than that there is none.
      if (!claims || !app || !new Access(store, claims).may('read', app.space)) return reply.code(404).type('text/plain').send('')
      const { start_time: start, end_time: end, limit = '100', descending, envelope_types: types } = request.query
      const [startTime, endTime, count] = [whole(start), whole(end), Number(limit)]
      if (startTime === null || endTime === null || !(count >= 0 && count <= 1000))
        return reply.code(400).type('text/plain').send('bad query\n')
      const wanted = [types ?? 'LOG'].flat().map((type) => type.toUpperCase())
      const asked = wanted.some((type) => type === 'LOG' || type === 'ANY')
      const query = {
        ...(startTime !== undefined && { startTime }),
        ...(endTime !== undefined && { endTime }),
        limit: count,
        descending: descending === 'true',
      }
      return { envelopes: { batch: asked ? diego.logs(app.guid, query).map(present) : [] } }
    })
  }
  return api
}

/** An integer of nanoseconds; null where it is none. */
function whole(text: string | undefined): bigint | undefined | null {
  if (text === undefined || text === '') return undefined
  return /^-?\d{1,19}$/.test(text) ? BigInt(text) : null
}

function present({ timestamp, appGuid, instance, sourceType, message, type }: LogEnvelope) {
  return {
    timestamp: String(timestamp),
    source_id: appGuid,
    instance_id: instance,
    deprecated_tags: {},
    tags: { source_type: sourceType, instance_id: instance, app_id: appGuid },
    log: { payload: Buffer.from(message).toString('base64'), type },
  }
}
