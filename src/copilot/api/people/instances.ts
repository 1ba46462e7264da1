import { Type } from 'typebox'
import type { Copilot } from '../../copilot.ts'
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
  api.get('/v1/instances', { schema: { summary: 'Running instances', querystring: Query, response: { 200: ListAnswer(InstanceView) } } }, async ({ query }) => {
    const { process, limit, cursor, ...scope } = query
    const processes = process === undefined ? await processesOf(store, scope) : [process]
    return page(store, 'instance', { process: processes }, { limit, cursor }, async (records) => {
      const related = new Related(store)
      await relateInstances(records, related)
      return records.map((record) => showInstance(record, related))
    })
  })
}

/** The processes of all apps in a scope; undefined for the scope of everything. */
async function processesOf(store: Store, scope: Scope): Promise<string[] | undefined> {
  if (!Object.values(scope).some((part) => part !== undefined)) return
  const { app, space } = await resolveScope(store, scope)
  const apps = app ?? (await store.list('app', { space })).map(({ key }) => key)
  return (await store.list('process', { app: apps })).map(({ key }) => key)
}
