import { Type } from 'typebox'
import type { Copilot } from '../../copilot.ts'
import { callerOf } from '../../people/caller.ts'
import type { Keyed, Store } from '../../store/store.ts'
import { resolveScope } from '../../views/names.ts'
import { Related, unique } from '../../views/related.ts'
import { Labels, owner } from '../../views/schemas.ts'
import { ListAnswer, ListQuery, page } from './page.ts'
import { scope } from './routes.ts'
import type { Api } from '../server.ts'

const AppView = Type.Object({
  guid: Type.String(),
  name: Type.String(),
  ...owner,
  labels: Labels,
  processes: Type.Array(Type.Object({ guid: Type.String(), type: Type.String(), wanted: Type.Integer(), running: Type.Integer() })),
  routes: Type.Array(Type.String(), { description: 'Hosts and paths of routes that send to it' }),
})
const Query = ListQuery({ name: scope.app, space: scope.space, organization: scope.organization })

/** Apps: what Diego is to run of them, what runs, and by which routes it is reached. */
export function apps(api: Api, { store }: Copilot): void {
  api.get(
    '/v1/apps',
    {
      config: { decides: true },
      schema: { summary: 'Apps with their processes, instances and routes', querystring: Query, response: { 200: ListAnswer(AppView) } },
    },
    async (request) => {
      const { name: app, space, organization, limit, cursor } = request.query
      const { app: keys, ...filter } = await resolveScope(store, { app, space, organization }, callerOf(request))
      return page(store, 'app', { ...filter, keys }, { limit, cursor }, (records) => show(store, records))
    },
  )
}

async function show(store: Store, apps: Keyed<'app'>[]) {
  const related = new Related(store)
  const guids = apps.map(({ key }) => key)
  await related.addSpaces(apps.map(({ value }) => value.space))
  const processes = await store.list('process', { app: guids })
  const instances = await store.list('instance', { process: unique(processes.map(({ key }) => key)) })
  const routes = await store.list('route', { app: guids })
  return apps.map(({ key: app, value: { name, space, labels } }) => ({
    guid: app,
    name,
    ...related.owner(space),
    labels,
    processes: processes
      .filter(({ value }) => value.app === app)
      .map(({ key: guid, value: { type, instances: wanted } }) => ({
        guid,
        type,
        wanted,
        running: instances.filter(({ value }) => value.process === guid && value.index < wanted).length,
      })),
    routes: routes
      .filter(({ value }) => value.destinations.some((destination) => destination.app === app))
      .map(({ value }) => `${value.host}${value.path}`),
  }))
}
