import { Type } from 'typebox'
import { kindNamed } from '../../mesh/istio/kinds.ts'
import type { Resource } from '../../mesh/istio/types.ts'
import { resourceKey } from '../../mesh/records.ts'
import type { Api } from '../api/server.ts'
import type { Copilot } from '../copilot.ts'
import { callerOf, type Caller } from '../people/caller.ts'
import { resolveNamespace } from '../people/namespaces.ts'
import { IdentityDiffers, ResourceUnknown, TooManyDocuments, VersionConflict, VersionUnknown } from '../problems.ts'
import type { ResourceVersion } from '../store/store.ts'
import { readVersion } from './accept.ts'
import { mergePatch } from './merge-patch.ts'
import type { Resources } from './resources.ts'
import { ResourceView, Warning } from './view.ts'

const closed = { additionalProperties: false } as const
export const Outcome = Type.Object({
  key: Type.String({ description: 'KIND/NAMESPACE/NAME' }),
  outcome: Type.Enum(['created', 'configured', 'unchanged', 'deleted']),
  resourceVersion: Type.String(),
  warnings: Type.Array(Warning),
  before: Type.Optional(Type.Object({}, { additionalProperties: true, description: 'With dryRun: the resource as it is' })),
  after: Type.Optional(Type.Object({}, { additionalProperties: true, description: 'With dryRun: as it would be' })),
})
const Named = Type.Object(
  {
    kind: Type.String(),
    namespace: Type.String({ description: 'Name or guid of the space, ORGANIZATION/SPACE, or mesh-system' }),
    name: Type.String(),
  },
  closed,
)
type Named = { kind: string; namespace: string; name: string }
const dryRun = Type.Boolean({ default: false, description: 'Only tell what would come of it; a freeze is a warning then' })
/** Documents of one request. */
const mostDocuments = 1000
const Apply = Type.Object(
  {
    documents: Type.Array(Type.Unknown(), { minItems: 1, description: `Resources, as in Kubernetes; at most ${mostDocuments}` }),
    namespace: Type.String({ minLength: 1, description: 'Of those that name none' }),
    dryRun: Type.Optional(Type.Boolean({ description: 'As in the query' })),
  },
  closed,
)
const DryRun = Type.Object({ dryRun }, closed)
const Body = Type.Object(
  {},
  {
    additionalProperties: true,
    description: 'The resource; with metadata.resourceVersion only that version is changed, else 409. "0": it must not be there yet',
  },
)
const Patch = Type.Object({}, { additionalProperties: true, description: 'A JSON merge patch (RFC 7386)' })
const Version = Type.Object({
  generation: Type.Integer(),
  author: Type.String(),
  at: Type.String(),
  spec: Type.Object({}, { additionalProperties: true }),
})
const History = Type.Object({
  items: Type.Array(Version),
  deleted: Type.Boolean({ description: 'It is not there any more; a rollback makes it again' }),
})
const To = Type.Object({ to: Type.Integer({ minimum: 1, description: 'Generation, as the history numbers them' }) }, closed)

/** How often a patch without a version is tried again, where others change the resource meanwhile. */
const attempts = 5

/** Istio's resources and ours, one by one or many at once. */
export function resources(api: Api, { store, resources: kept }: Pick<Copilot, 'store'> & { resources: Resources }): void {
  const config = { decides: true } as const
  const address = async ({ kind, namespace, name }: Named, caller: Caller) => {
    const guid = await resolveNamespace(store, namespace, caller)
    return { namespace: guid, key: resourceKey({ kind: kindNamed(kind) ?? kind, metadata: { namespace: guid, name } }) }
  }
  /** The key of a resource that the caller may read. */
  const readable = async (params: Named, request: object): Promise<string> => {
    const { key, namespace } = await address(params, callerOf(request))
    await callerOf(request).requireRead(namespace, params.namespace)
    return key
  }

  /** What is kept of it, also of one that was deleted. Throws `MESH_RESOURCE_UNKNOWN`. */
  const versionsOf = async (key: string): Promise<ResourceVersion[]> => {
    const versions = await store.resourceVersions(key)
    if (!versions.length) throw ResourceUnknown(key)
    return versions
  }

  api.post(
    '/v1/resources/apply',
    {
      config,
      schema: {
        summary: 'Apply resources, all or none',
        querystring: DryRun,
        body: Apply,
        response: { 200: Type.Object({ items: Type.Array(Outcome) }) },
      },
    },
    async (request) => {
      const { documents, namespace, dryRun: only } = request.body
      if (documents.length > mostDocuments) throw TooManyDocuments(documents.length, mostDocuments)
      return { items: await kept.apply(callerOf(request), documents, namespace, only ?? request.query.dryRun) }
    },
  )

  const one = '/v1/resources/:kind/:namespace/:name'
  api.get(one, { config, schema: { summary: 'One resource', params: Named, response: { 200: ResourceView } } }, async (request) => {
    const [view] = await kept.show([await kept.read(await readable(request.params, request))])
    return view!
  })

  api.put(
    one,
    {
      config,
      schema: { summary: 'Create or replace a resource', params: Named, querystring: DryRun, body: Body, response: { 200: Outcome } },
    },
    async (request) => {
      const caller = callerOf(request)
      const { key, namespace } = await address(request.params, caller)
      const [outcome] = await kept.apply(caller, [await addressed(request.body, key, namespace, caller)], namespace, request.query.dryRun)
      return outcome!
    },
  )

  void api.register(async (scope: Api) => {
    scope.addContentTypeParser('application/merge-patch+json', { parseAs: 'string' }, scope.getDefaultJsonParser('error', 'ignore'))
    scope.patch(
      one,
      {
        config,
        schema: {
          summary: 'Change parts of a resource',
          consumes: ['application/merge-patch+json', 'application/json'],
          params: Named,
          querystring: DryRun,
          body: Patch,
          response: { 200: Outcome },
        },
      },
      async (request) => {
        const caller = callerOf(request)
        const { key, namespace } = await address(request.params, caller)
        await caller.requireWrite(namespace, request.params.namespace)
        for (let left = attempts; ; left--) {
          const { value, version } = await kept.read(key)
          const patched = mergePatch({ ...(JSON.parse(value) as object) }, request.body) as { metadata?: { resourceVersion?: string } }
          const given = patched.metadata?.resourceVersion
          const document = await addressed(
            { ...patched, metadata: { ...patched.metadata, resourceVersion: given ?? String(version) } },
            key,
            namespace,
            caller,
          )
          try {
            const [outcome] = await kept.apply(caller, [document], namespace, request.query.dryRun)
            return outcome!
          } catch (error) {
            if (given !== undefined || left <= 1 || (error as { code?: string }).code !== VersionConflict.code) throw error
          }
        }
      },
    )
  })

  const Deletion = Type.Object({ dryRun, resourceVersion: Type.Optional(Type.String({ description: 'Only that version' })) }, closed)
  api.delete(
    one,
    { config, schema: { summary: 'Delete a resource', params: Named, querystring: Deletion, response: { 200: Outcome } } },
    async (request) => {
      const caller = callerOf(request)
      const { key, namespace } = await address(request.params, caller)
      await caller.requireWrite(namespace, request.params.namespace)
      const { resourceVersion } = request.query
      return kept.delete(caller, key, {
        dryRun: request.query.dryRun,
        ...(resourceVersion !== undefined && { expected: readVersion(resourceVersion) }),
      })
    },
  )

  api.get(
    `${one}/history`,
    {
      config,
      schema: {
        summary: 'Accepted versions, the newest first',
        params: Named,
        response: { 200: History },
      },
    },
    async (request) => {
      const key = await readable(request.params, request)
      const items = (await versionsOf(key)).map(({ generation, author, at, value }) => ({
        generation,
        author,
        at: new Date(at).toISOString(),
        spec: (JSON.parse(value) as { spec: object }).spec,
      }))
      return { items, deleted: !(await store.resources({ key })).length }
    },
  )

  api.post(
    `${one}/rollback`,
    {
      config,
      schema: { summary: 'Make an earlier version the newest', params: Named, querystring: DryRun, body: To, response: { 200: Outcome } },
    },
    async (request) => {
      const caller = callerOf(request)
      const { key, namespace } = await address(request.params, caller)
      await caller.requireWrite(namespace, request.params.namespace)
      const versions = await versionsOf(key)
      const wanted = versions.find(({ generation }) => generation === request.body.to)
      if (!wanted)
        throw VersionUnknown(
          key,
          request.body.to,
          versions.map(({ generation }) => generation),
        )
      const [outcome] = await kept.apply(caller, [JSON.parse(wanted.value) as Resource], namespace, request.query.dryRun)
      return outcome!
    },
  )

  /** A body that is the resource which the address names. Throws `MESH_IDENTITY_DIFFERS`. */
  async function addressed(body: object, key: string, namespace: string, caller: Caller): Promise<object> {
    const { kind, metadata = {} } = body as { kind?: unknown; metadata?: { name?: unknown; namespace?: unknown } }
    const { name, namespace: written = namespace } = metadata
    // What is no text is told of when the resource is checked.
    if (typeof kind !== 'string' || typeof name !== 'string' || typeof written !== 'string') return body
    const given = resourceKey({ kind, metadata: { namespace: await resolveNamespace(store, written, caller), name } })
    if (given !== key) throw IdentityDiffers(given, key)
    return body
  }
}
