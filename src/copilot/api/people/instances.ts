import { Type } from 'typebox'
import type { Copilot } from '../../copilot.ts'
import { callerOf, type Caller } from '../../people/caller.ts'
import type { Store } from '../../store/store.ts'
import { InstanceView, relateInstances, showInstance } from '../../views/instance.ts'
import { resolveScope, type Scope } from '../../views/names.ts'
import { Related } from '../../views/related.ts'
import { ListAnswer, ListQuery, page } from './page.ts'
import { scope } from './routes.ts'
import type { Api } from '../server.ts'

const Query = ListQuery({ ...scope, process: Type.Optional(Type.String({ description: 'Process guid in Diego' })) })

/** Running instances. */
export function instances(api: Api, { store }: Copilot): void {
  api.get(
    '/v1/instances',
    {
      config: { decides: true },
      schema: { summary: 'Running instances', querystring: Query, response: { 200: ListAnswer(InstanceView) } },
    },
    async (request) => {
      const { process, limit, cursor, ...scope } = request.query
      const known = await processesOf(store, scope, callerOf(request))
      const processes = process === undefined ? known : known ? known.filter((guid) => guid === process) : [process]
      return page(store, 'instance', { process: processes }, { limit, cursor }, async (records) => {
        const related = new Related(store)
        await relateInstances(records, related)
        return records.map((record) => showInstance(record, related))
      })
    },
  )
}

/** The processes of all apps in a scope, as far as the caller may read; undefined for everything. */
async function processesOf(store: Store, scope: Scope, caller: Caller): Promise<string[] | undefined> {
  const { app, space } = await resolveScope(store, scope, caller)
  if (!app && !space) return
  const apps = app ?? (await store.list('app', { space })).map(({ key }) => key)
  return (await store.list('process', { app: apps })).map(({ key }) => key)
}
