import { Type, type Static } from 'typebox'
import { analyse, foreignHosts, type World } from '../../mesh/istio/analyse.ts'
import { systemNamespace } from '../../mesh/istio/kinds.ts'
import type { Resource } from '../../mesh/istio/types.ts'
import type { Components, ResourceState } from '../components.ts'
import type { StoredResource, Switch } from '../store/store.ts'

const Condition = Type.Object({
  type: Type.String(),
  status: Type.Enum(['True', 'False', 'Unknown']),
  reason: Type.Optional(Type.String()),
  message: Type.Optional(Type.String()),
})
type Condition = Static<typeof Condition>
export const Warning = Type.Object({ code: Type.String(), path: Type.String(), message: Type.String() })
export type Warning = Static<typeof Warning>

export const ResourceView = Type.Object({
  apiVersion: Type.String(),
  kind: Type.String(),
  metadata: Type.Object({}, { additionalProperties: true }),
  spec: Type.Object({}, { additionalProperties: true }),
  status: Type.Object({
    conditions: Type.Array(Condition, { description: 'Accepted, Programmed, Degraded' }),
    warnings: Type.Array(Warning, { description: 'What of it leads nowhere, or meets other resources, as things are now' }),
    space: Type.String({ description: 'What people call its namespace: ORGANIZATION/SPACE where that is known' }),
  }),
})
export type ResourceView = Static<typeof ResourceView> & { metadata: Resource['metadata'] & { resourceVersion: string } }

/** What resources are shown against. */
export interface Surroundings {
  components: Components
  world: World
  switches: Switch[]
}

/** A resource with its version, what pilots say of it, and what it meets. */
export function showResource({ key, value, version }: StoredResource, { components, world, switches }: Surroundings): ResourceView {
  const resource = JSON.parse(value) as Resource
  const told = components.toldOf(key)
  const ignored = switches.find(({ name, subject }) => name === 'ignore' && subject === resource.metadata.namespace)
  return {
    ...resource,
    metadata: { ...resource.metadata, resourceVersion: String(version) },
    status: {
      conditions: [{ type: 'Accepted', status: 'True' }, programmed(resource, told, ignored), degraded(resource, told, world, ignored)],
      warnings: analyse(resource, world).map(({ code, path, message }) => ({ code, path, message })),
      space: resource.metadata.namespace,
    },
  }
}

function programmed({ metadata }: Resource, told: ResourceState[], ignored: Switch | undefined): Condition {
  const type = 'Programmed'
  if (ignored) return { type, status: 'False', reason: 'Ignored', message: 'an operator has the rules of this space ignored' }
  if (!told.length) return { type, status: 'Unknown', reason: 'NotReported', message: 'no pilot has reported it' }
  const behind = told.filter(({ generation }) => generation !== metadata.generation)
  if (behind.length) return { type, status: 'False', reason: 'Pending', message: 'pilot has not read this version yet' }
  const pending = told.find((one) => !one.programmed)
  if (!pending) return { type, status: 'True' }
  const why = pending.degraded === undefined ? '' : `; ${pending.degraded}`
  return { type, status: 'False', reason: 'Pending', message: `it is not in force on every router${why}` }
}

function degraded(resource: Resource, told: ResourceState[], world: World, ignored: Switch | undefined): Condition {
  const type = 'Degraded'
  const { namespace, generation } = resource.metadata
  if (ignored)
    return {
      type,
      status: 'True',
      reason: 'Ignored',
      message: `${ignored.author} has the rules of this space ignored since ${new Date(ignored.at).toISOString()}`,
    }
  if (namespace !== systemNamespace && !world.space(namespace))
    return { type, status: 'True', reason: 'SpaceGone', message: 'its space is no more' }
  const foreign = foreignHosts(resource, world)
  if (foreign.length)
    return {
      type,
      status: 'True',
      reason: 'HostMoved',
      message: foreign
        .map(({ path, host }) => `${path}: ${host} is a route of another space now, so that its rules here are not in force`)
        .join('; '),
    }
  const message = told.find((one) => one.generation === generation && one.degraded)?.degraded
  return message ? { type, status: 'True', reason: 'NotServed', message } : { type, status: 'False' }
}
