import { Type, type Static } from 'typebox'
import { Ejection } from '../../../common/ejection.ts'
import type { Components } from '../../components.ts'
import { requireRole, roles, type RoleNames } from '../../identity.ts'
import type { Api } from '../server.ts'

const Sender = Type.Object(
  {
    kind: Type.Enum([...roles]),
    name: Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$', description: 'Name of the process, unique among its kind' }),
  },
  { additionalProperties: false },
)
export const HeldSync = Type.Object({
  id: Type.String({ minLength: 1 }),
  since: Type.String({ description: 'ISO 8601' }),
  source: Type.String(),
  reason: Type.String(),
  removes: Type.Object({ routes: Type.Integer(), instances: Type.Integer(), apps: Type.Optional(Type.Integer()) }),
})

const ResourceState = Type.Object({ generation: Type.Integer(), programmed: Type.Boolean(), degraded: Type.Optional(Type.String()) })

const Report = Type.Object(
  {
    version: Type.String({ maxLength: 100 }),
    ready: Type.Boolean(),
    revision: Type.Optional(Type.Integer({ minimum: 0, description: 'The last of our revisions that it has applied' })),
    held: Type.Optional(Type.Unsafe<Static<typeof HeldSync> | null>({ ...HeldSync, type: ['object', 'null'] })),
    conflicts: Type.Optional(
      Type.Array(
        Type.Object({
          key: Type.String(),
          route: Type.Optional(Type.String()),
          space: Type.String(),
          servedSpace: Type.String(),
          reason: Type.String(),
        }),
      ),
    ),
    resources: Type.Optional(Type.Record(Type.String(), ResourceState)),
    resourceChanges: Type.Optional(
      Type.Record(Type.String(), Type.Unsafe<Static<typeof ResourceState> | null>({ ...ResourceState, type: ['object', 'null'] })),
    ),
    resourcesVersion: Type.Optional(Type.Integer({ minimum: 0 })),
    routers: Type.Optional(
      Type.Array(Type.Object({ name: Type.String(), ejections: Type.Optional(Type.Array(Ejection)) }, { additionalProperties: true })),
    ),
  },
  { additionalProperties: true },
)

/** What components say of themselves, every 5 s and when it changes. */
export function reports(api: Api, { components, clients }: { components: Components; clients: RoleNames }): void {
  api.put(
    '/v1/components/:kind/:name',
    {
      schema: { params: Sender, body: Report, response: { 200: Type.Object({ orders: Type.Object({}, { additionalProperties: true }) }) } },
    },
    async (request) => {
      const { kind, name } = request.params
      requireRole(request, clients, kind)
      return { orders: components.report(kind, name, request.body) }
    },
  )
}
