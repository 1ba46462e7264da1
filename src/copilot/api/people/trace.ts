import { Type } from 'typebox'
import { normalizeHost } from '../../../mesh/host.ts'
import { candidates } from '../../../mesh/matching.ts'
import { normalizePath, splitTarget } from '../../../mesh/path.ts'
import type { Copilot } from '../../copilot.ts'
import { callerOf } from '../../people/caller.ts'
import { RouteView, showRoutes } from '../../views/route.ts'
import type { Api } from '../server.ts'

const Query = Type.Object(
  {
    host: Type.String({ minLength: 1, description: 'The Host header' }),
    path: Type.String({ default: '/', pattern: '^/', description: 'The request target; a query is ignored' }),
    exposure: Type.Enum(['pub', 'int'], { default: 'pub', description: 'Which listener the request comes in by' }),
  },
  { additionalProperties: false },
)

const Trace = Type.Object({
  host: Type.String({ description: 'In normal form' }),
  path: Type.Optional(Type.String({ description: 'In normal form; absent where that is no path' })),
  exposure: Type.String(),
  candidates: Type.Array(Type.Object({ key: Type.String(), exists: Type.Boolean() }), { description: 'The routes that could answer, the most specific first; the first that exists does' }),
  route: Type.Optional(RouteView),
  status: Type.Optional(Type.Integer({ description: 'What the router itself answers, where it does not ask the app' })),
  why: Type.String(),
})

/** Where a request goes, and why. */
export function trace(api: Api, { store, components }: Copilot): void {
  api.get('/v1/trace', { config: { decides: true }, schema: { summary: 'Where a request goes and why', querystring: Query, response: { 200: Trace } } }, async (request) => {
    const { query } = request
    const { exposure } = query
    const host = normalizeHost(query.host)
    const path = normalizePath(splitTarget(query.path).path)
    if (path === undefined) return { host, exposure, candidates: [], status: 400, why: `${query.path} is no path, so the router refuses the request` }

    const keys = candidates(exposure, host, path)
    const existing = new Map((await store.list('route', { keys })).map((record) => [record.key, record]))
    const looked = { host, path, exposure, candidates: keys.map((key) => ({ key, exists: existing.has(key) })) }
    const winner = keys.find((key) => existing.has(key))
    if (winner === undefined) return { ...looked, status: 404, why: `no route has this host, neither by itself nor by a wildcard${exposure === 'pub' ? ' (internal routes are not reachable from here)' : ''}` }

    const [route] = await showRoutes(store, [existing.get(winner)!], components.conflicts())
    await callerOf(request).requireRead(route!.space.guid)
    const why = `${winner} is the most specific route that exists`
    if (route!.state === 'no-instances') return { ...looked, route, status: 503, why: `${why}, and none of its instances is running` }
    return { ...looked, route, why }
  })
}
