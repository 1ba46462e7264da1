import { Type } from 'typebox'
import type { Copilot } from '../../copilot.ts'
import { callerOf } from '../../people/caller.ts'
import { CursorInvalid } from '../../problems.ts'
import type { Keyed, Store } from '../../store/store.ts'
import { resolveScope } from '../../views/names.ts'
import { groupApps, ServiceView, showServices } from '../../views/service.ts'
import { decode, encode, ListAnswer, ListQuery } from './page.ts'
import { scope } from './routes.ts'
import type { Api } from '../server.ts'

const Query = ListQuery({
  name: Type.Optional(Type.String({ description: 'Name of the service: NAME, NAME.SPACE or NAME.SPACE.ORGANIZATION' })),
  space: scope.space,
  organization: scope.organization,
})

interface Service {
  name: string
  space: string
  apps: Keyed<'app'>[]
}

/** What mesh rules can send to by name. */
export function services(api: Api, { store }: Copilot): void {
  api.get(
    '/v1/services',
    {
      config: { decides: true },
      schema: {
        summary: 'Services by name, with their apps, hosts and instances',
        querystring: Query,
        response: { 200: ListAnswer(ServiceView) },
      },
    },
    async (request) => {
      const { query } = request
      const { limit, cursor } = query
      const [name, space = query.space, ...organization] = query.name?.split('.') ?? []
      const filter = await resolveScope(
        store,
        { space, organization: organization.length ? organization.join('.') : query.organization },
        callerOf(request),
      )
      const found: Service[] = []
      for await (const service of inOrder(store, filter.space, cursor)) {
        if (name !== undefined && service.name !== name) continue
        if (found.push(service) > limit) break
      }
      const shown = found.slice(0, limit)
      const last = shown.at(-1)
      return { items: await showServices(store, shown), ...(found.length > limit && { next: encode(`${last!.space} ${last!.name}`) }) }
    },
  )
}

/** All services by space and name, behind the one that the cursor names; a space is read as a whole, spaces one after the other. */
async function* inOrder(store: Store, spaces: string[] | undefined, cursor: string | undefined): AsyncGenerator<Service> {
  const [, from = '', after = ''] = cursor === undefined ? [] : (/^(\S+) (.*)$/s.exec(decode(cursor)) ?? refuse())
  if (from && (spaces?.includes(from) ?? true)) yield* inSpace(store, from, after)
  for (let previous = from; ;) {
    const [next] = await store.list('space', { keys: spaces }, { after: previous, limit: 1 })
    if (!next) return
    previous = next.key
    yield* inSpace(store, next.key)
  }
}

async function* inSpace(store: Store, space: string, after?: string): AsyncGenerator<Service> {
  for (const [name, apps] of groupApps(await store.list('app', { space: [space] }))) {
    if (after === undefined || name > after) yield { name, space, apps }
  }
}

function refuse(): never {
  throw CursorInvalid()
}
