import { Type, type Static } from 'typebox'
import type { Resource } from '../../mesh/istio/types.ts'
import type { Components } from '../components.ts'
import type { StoredResource } from '../store/store.ts'

const Condition = Type.Object({ type: Type.String(), status: Type.Enum(['True', 'False', 'Unknown']), message: Type.Optional(Type.String()) })

export const ResourceView = Type.Object({
  apiVersion: Type.String(),
  kind: Type.String(),
  metadata: Type.Object({}, { additionalProperties: true }),
  spec: Type.Object({}, { additionalProperties: true }),
  status: Type.Object({ conditions: Type.Array(Condition, { description: 'Accepted, Programmed, Degraded' }) }),
})

type Status = Static<typeof Condition>['status']

interface Told {
  generation: number
  programmed: boolean
  degraded?: string
}

/** A resource with its version and what pilots say of it. */
export function showResource({ key, value, version }: StoredResource, components: Components): Static<typeof ResourceView> & { metadata: Resource['metadata'] & { resourceVersion: string } } {
  const resource = JSON.parse(value) as Resource
  const told = components
    .list()
    .filter(({ kind, lost }) => kind === 'pilot' && !lost)
    .flatMap(({ report }) => (report['resources'] as Record<string, Told> | undefined)?.[key] ?? [])
  const current = told.filter(({ generation }) => generation === resource.metadata.generation)
  const programmed: Status = !told.length ? 'Unknown' : current.length === told.length && current.every((one) => one.programmed) ? 'True' : 'False'
  const degraded = current.find((one) => one.degraded)?.degraded
  return {
    ...resource,
    metadata: { ...resource.metadata, resourceVersion: String(version) },
    status: {
      conditions: [
        { type: 'Accepted', status: 'True' },
        { type: 'Programmed', status: programmed, ...(!told.length && { message: 'no pilot has reported it' }) },
        { type: 'Degraded', status: degraded ? 'True' : 'False', ...(degraded && { message: degraded }) },
      ],
    },
  }
}
