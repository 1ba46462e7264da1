import { Type } from 'typebox'
import type { Copilot } from '../../copilot.ts'
import { callerOf } from '../../people/caller.ts'
import { EjectionView, showEjections } from '../../views/ejection.ts'
import { resolveScope } from '../../views/names.ts'
import { scope } from './routes.ts'
import type { Api } from '../server.ts'

const Query = Type.Object(scope, { additionalProperties: false })
const Answer = Type.Object({ items: Type.Array(EjectionView, { description: 'At most the first thousand of each router' }) })

/** Instances that routers leave out because they failed: those of the routes and services of the spaces that the caller sees. */
export function ejections(api: Api, { store, components }: Copilot): void {
  const schema = {
    summary: 'Instances that outlier detection has ejected, or asks again on trial',
    querystring: Query,
    response: { 200: Answer },
  }
  api.get('/v1/ejections', { config: { decides: true }, schema }, async (request) => {
    const { space: spaces, app: apps } = await resolveScope(store, request.query, callerOf(request))
    return { items: await showEjections(store, components.routers(), { spaces, apps }) }
  })
}
