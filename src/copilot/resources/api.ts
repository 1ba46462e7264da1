import { Type } from 'typebox'
import { kindNamed } from '../../mesh/istio/kinds.ts'
import { codes, type Finding } from '../../mesh/istio/finding.ts'
import type { Resource } from '../../mesh/istio/types.ts'
import { resourceKey } from '../../mesh/records.ts'
import type { Api } from '../api/server.ts'
import type { Copilot } from '../copilot.ts'
import { ResourceUnknown, VersionUnknown } from '../problems.ts'
import type { ResourceChange, ResourceOutcome } from '../store/store.ts'
import { resolveScope } from '../views/names.ts'
import { accept } from './accept.ts'
import { ResourceView, showResource } from './view.ts'

/** Most resources of one namespace. */
const most = 1000

const closed = { additionalProperties: false } as const
const Warning = Type.Object({ code: Type.String(), path: Type.String(), message: Type.String() })
const Outcome = Type.Object({ key: Type.String(), outcome: Type.Enum(['created', 'configured', 'unchanged', 'deleted']), warnings: Type.Array(Warning) })
const Named = Type.Object({ kind: Type.String(), namespace: Type.String({ description: 'Name or guid of the space' }), name: Type.String() }, closed)
const Apply = Type.Object(
  {
    documents: Type.Array(Type.Unknown(), { minItems: 1, maxItems: 1000, description: 'Resources, as in Kubernetes' }),
    namespace: Type.String({ minLength: 1, description: 'Of those that name none' }),
    dryRun: Type.Boolean({ default: false, description: 'Only check' }),
  },
  closed,
)
const Query = Type.Object({ kind: Type.Optional(Type.String()), namespace: Type.Optional(Type.String()), selector: Type.Optional(Type.String({ description: 'a=b,c!=d,e' })) }, closed)

/** Istio's resources and ours: what people apply. */
export function resources(api: Api, { store, components, log }: Copilot): void {
  const change = async (changes: ResourceChange[]): Promise<ResourceOutcome[]> => {
    const { outcomes } = await store.changeResources('operator', changes, most)
    for (const { key, outcome, before, after } of outcomes) {
      if (outcome !== 'unchanged') log.info({ audit: true, author: 'operator', key, outcome, before: before && JSON.parse(before), after: after && JSON.parse(after) }, 'resource changed')
    }
    return outcomes
  }
  const keyOf = async ({ kind, namespace, name }: { kind: string; namespace: string; name: string }): Promise<string> =>
    resourceKey({ kind: kindNamed(kind) ?? kind, metadata: { namespace: await guidOf(namespace), name } })
  const guidOf = async (namespace: string): Promise<string> => (namespace === 'mesh-system' ? namespace : ((await resolveScope(store, { space: namespace })).space?.[0] ?? namespace))
  const read = async (key: string) => {
    const [found] = await store.resources({ key })
    if (!found) throw ResourceUnknown(key)
    return found
  }

  api.post('/v1/resources/apply', { schema: { summary: 'Apply resources, all or none', body: Apply, response: { 200: Type.Object({ items: Type.Array(Outcome) }) } } }, async ({ body }) => {
    const accepted = await accept(store, body.documents, body.namespace)
    const warnings = accepted.map((one) => summary(one.warnings))
    if (body.dryRun) return { items: accepted.map(({ change: { key } }, position) => ({ key, outcome: 'unchanged' as const, warnings: warnings[position]! })) }
    const outcomes = await change(accepted.map((one) => one.change))
    return { items: outcomes.map(({ key, outcome }, position) => ({ key, outcome, warnings: warnings[position]! })) }
  })

  api.get('/v1/resources', { schema: { summary: 'Resources with their conditions', querystring: Query, response: { 200: Type.Object({ items: Type.Array(ResourceView) }) } } }, async ({ query }) => {
    const kinds = query.kind?.split(',').map((kind) => kindNamed(kind) ?? kind)
    const found = await store.resources(query.namespace === undefined ? {} : { namespace: await guidOf(query.namespace) })
    const shown = found.map((one) => showResource(one, components))
    return { items: shown.filter(({ kind, metadata }) => (!kinds || kinds.includes(kind)) && matchesLabels(metadata.labels, query.selector)) }
  })

  api.get('/v1/resources/:kind/:namespace/:name', { schema: { summary: 'One resource', params: Named, response: { 200: ResourceView } } }, async ({ params }) => showResource(await read(await keyOf(params)), components))

  api.delete('/v1/resources/:kind/:namespace/:name', { schema: { summary: 'Delete a resource', params: Named, response: { 200: Type.Object({ key: Type.String(), outcome: Type.String() }) } } }, async ({ params }) => {
    const { key, value } = await read(await keyOf(params))
    const [outcome] = await change([{ key, namespace: (JSON.parse(value) as Resource).metadata.namespace, value: null }])
    return { key, outcome: outcome!.outcome }
  })

  const Version = Type.Object({ generation: Type.Integer(), author: Type.String(), at: Type.String(), spec: Type.Object({}, { additionalProperties: true }) })
  api.get('/v1/resources/:kind/:namespace/:name/history', { schema: { summary: 'Accepted versions, the newest first', params: Named, response: { 200: Type.Object({ items: Type.Array(Version) }) } } }, async ({ params }) => ({
    items: (await store.resourceVersions(await keyOf(params))).map(({ generation, author, at, value }) => ({ generation, author, at: new Date(at).toISOString(), spec: (JSON.parse(value) as { spec: object }).spec })),
  }))

  const To = Type.Object({ to: Type.Integer({ minimum: 1, description: 'Generation' }) }, closed)
  api.post('/v1/resources/:kind/:namespace/:name/rollback', { schema: { summary: 'Make an earlier version the newest', params: Named, body: To, response: { 200: Outcome } } }, async ({ params, body }) => {
    const key = await keyOf(params)
    const versions = await store.resourceVersions(key)
    const wanted = versions.find(({ generation }) => generation === body.to)
    if (!wanted) throw VersionUnknown(key, body.to, versions.map(({ generation }) => generation))
    const { metadata: { generation: _generation, createdAt: _created, ...metadata }, ...resource } = JSON.parse(wanted.value) as Resource
    const [accepted] = await accept(store, [{ ...resource, metadata }], metadata.namespace)
    const [outcome] = await change([accepted!.change])
    return { key, outcome: outcome!.outcome, warnings: [] }
  })
}

/** The warnings of one document; of the many fields that may wait for their translation one tells all. */
function summary(warnings: Finding[]): { code: string; path: string; message: string }[] {
  const planned = warnings.filter(({ code }) => code === codes.planned)
  return [
    ...warnings.filter(({ code }) => code !== codes.planned).map(({ code, path, message }) => ({ code, path, message })),
    ...(planned.length ? [{ code: codes.planned, path: 'spec', message: `accepted, not yet programmed: ${planned.map(({ path }) => path.replace(/^spec\./, '')).join(', ')}` }] : []),
  ]
}

/** Kubernetes' label selectors: `a=b`, `a!=b`, `a`, `!a`, joined by commas. */
function matchesLabels(labels: Record<string, string>, selector = ''): boolean {
  return selector
    .split(',')
    .filter(Boolean)
    .every((term) => {
      const [, not, name, operator, value] = /^(!?)([^!=]+?)(?:(!=|==?)(.*))?$/.exec(term.trim()) ?? []
      const found = labels[name ?? '']
      if (operator === undefined) return (found !== undefined) !== Boolean(not)
      return (found === value) === (operator !== '!=')
    })
}
