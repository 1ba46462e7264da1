import { Type } from 'typebox'
import { normalizeHost } from '../../../mesh/host.ts'
import { routeKey } from '../../../mesh/records.ts'
import type { Copilot } from '../../copilot.ts'
import { callerOf } from '../../people/caller.ts'
import { RouteUnknown } from '../../problems.ts'
import { resolveScope } from '../../views/names.ts'
import { RouteView, showRoutes } from '../../views/route.ts'
import { ListAnswer, ListQuery, page } from './page.ts'
import type { Api } from '../server.ts'

export const scope = {
  app: Type.Optional(Type.String({ description: 'Name or guid of an app' })),
  space: Type.Optional(Type.String({ description: 'Name or guid of a space' })),
  organization: Type.Optional(Type.String({ description: 'Name or guid of an organization' })),
}

const Query = ListQuery({
  host: Type.Optional(Type.String({ description: 'Whole host' })),
  domain: Type.Optional(Type.String({ description: 'Domain that the host is or ends with' })),
  ...scope,
})
const Named = Type.Object({ '*': Type.String({ minLength: 1, description: 'HOST or HOST/PATH' }) })
const Exposed = Type.Object({ exposure: Type.Enum(['pub', 'int'], { default: 'pub' }) }, { additionalProperties: false })

/** Routes: all of them, filtered; or one. */
export function routes(api: Api, { store, components }: Copilot): void {
  api.get(
    '/v1/routes',
    {
      config: { decides: true },
      schema: {
        summary: 'Routes with their destinations, instances and state',
        querystring: Query,
        response: { 200: ListAnswer(RouteView) },
      },
    },
    async (request) => {
      const { query } = request
      const { host, domain, limit, cursor, ...scope } = query
      const filter = {
        ...(await resolveScope(store, scope, callerOf(request))),
        ...(host !== undefined && { host: normalizeHost(host) }),
        ...(domain !== undefined && { domain: normalizeHost(domain) }),
      }
      return page(store, 'route', filter, { limit, cursor }, (records) => showRoutes(store, records, components.conflicts()))
    },
  )

  api.get(
    '/v1/routes/*',
    {
      config: { decides: true },
      schema: { summary: 'The route of that very host and path', params: Named, querystring: Exposed, response: { 200: RouteView } },
    },
    async (request) => {
      const { params, query } = request
      const name = params['*']
      const slash = name.indexOf('/')
      const [host, path] = slash < 0 ? [name, ''] : [name.slice(0, slash), name.slice(slash).replace(/\/+$/, '')]
      const key = routeKey({ exposure: query.exposure, host: normalizeHost(host), path })
      const [shown] = await showRoutes(store, await store.list('route', { keys: [key] }), components.conflicts())
      if (!shown) throw RouteUnknown(name)
      await callerOf(request).requireRead(shown.space.guid)
      return shown
    },
  )
}
