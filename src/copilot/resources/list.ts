import { Type } from 'typebox'
import { kindNamed, resourceKinds } from '../../mesh/istio/kinds.ts'
import type { Api } from '../api/server.ts'
import type { Copilot } from '../copilot.ts'
import { callerOf } from '../people/caller.ts'
import { resolveNamespace } from '../people/namespaces.ts'
import { KindUnknown, VersionForgotten } from '../problems.ts'
import type { StoredResource } from '../store/store.ts'
import { stream } from '../stream.ts'
import { nameSpaces } from '../views/space-names.ts'
import { readVersion } from './accept.ts'
import type { Resources } from './resources.ts'
import { parseSelector } from './selector.ts'
import { ResourceView } from './view.ts'
import { watchResources } from './watch.ts'

const Query = Type.Object(
  {
    kind: Type.Optional(Type.String({ description: 'Kinds, joined by commas' })),
    namespace: Type.Optional(
      Type.String({
        description: 'Name or guid of a space, ORGANIZATION/SPACE, or mesh-system; all that the caller may read where absent',
      }),
    ),
    name: Type.Optional(Type.String()),
    selector: Type.Optional(Type.String({ description: 'Labels: a=b, a!=b, a in (b,c), a notin (b,c), a, !a, joined by commas' })),
    watch: Type.Boolean({
      default: false,
      description:
        'Answer with an NDJSON stream of {type: APPLIED, DELETED, BOOKMARK or ERROR, object} of what changes after resourceVersion; it ends after five minutes, to be resumed from the last version that came',
    }),
    resourceVersion: Type.Optional(
      Type.String({ description: 'With watch: of the list, or of the last object that came; now where absent' }),
    ),
  },
  { additionalProperties: false },
)
const List = Type.Object({ items: Type.Array(ResourceView), resourceVersion: Type.String({ description: 'From which a watch goes on' }) })

/** Throws `MESH_KIND_UNKNOWN`. */
function unknown(kind: string): never {
  throw KindUnknown(kind, resourceKinds)
}

/** Resources by kind, space and labels, once or as they change. */
export function resourceList(
  api: Api,
  {
    store,
    components,
    watchers,
    config,
    resources,
  }: Pick<Copilot, 'store' | 'components' | 'watchers' | 'config'> & { resources: Resources },
): void {
  api.get(
    '/v1/resources',
    { config: { decides: true }, schema: { summary: 'Resources with their conditions', querystring: Query, response: { 200: List } } },
    async (request, reply) => {
      const { query } = request
      const caller = callerOf(request)
      const kinds = query.kind?.split(',').map((kind) => (kindNamed(kind) ?? unknown(kind)).toLowerCase())
      const namespace = query.namespace === undefined ? undefined : await resolveNamespace(store, query.namespace, caller)
      if (namespace !== undefined) await caller.requireRead(namespace, query.namespace)
      const sight = await caller.readable()
      const selects = parseSelector(query.selector)
      const concerns = (key: string): boolean => {
        const [kind = '', space = '', name] = key.split('/')
        return (
          (!kinds || kinds.includes(kind)) &&
          (namespace === undefined ? (sight?.has(space) ?? true) : space === namespace) &&
          (query.name === undefined || name === query.name)
        )
      }
      // Read before the list: a watch from there may tell again what the list has, and misses nothing.
      const version = await store.resourceVersion()

      if (!query.watch) {
        const found = (await store.resources(namespace === undefined ? {} : { namespace })).filter(({ key }) => concerns(key))
        return { items: (await resources.show(found)).filter(({ metadata }) => selects(metadata.labels)), resourceVersion: String(version) }
      }
      const since = query.resourceVersion === undefined ? version : readVersion(query.resourceVersion)
      if (!(await store.resourcesAfter(since, 1))) throw VersionForgotten(since)
      const show = async (found: StoredResource[]) => nameSpaces(store, await resources.show(found), caller)
      const options = { stall: config.limits.stallSeconds * 1000, signal: watchers.signal }
      await stream(
        reply,
        (signal) =>
          watchResources({ store, components, since, concerns, selects: ({ metadata }) => selects(metadata.labels), show, signal }),
        options,
      )
    },
  )
}
