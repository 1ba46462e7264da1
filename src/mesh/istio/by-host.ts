import { normalizeHost } from '../host.ts'
import type { World } from './analyse.ts'
import type { DestinationRule, VirtualService } from './types.ts'

type Hosted = DestinationRule | VirtualService
type OfKind<Kind extends Hosted['kind']> = Extract<Hosted, { kind: Kind }>

/** Of each world what was looked up: it is again for every resource. */
const indices = new WeakMap<World, Map<string, Map<string, Hosted[]>>>()

/** The resources of a kind and namespace by their hosts, in normal form. */
export function byHost<Kind extends Hosted['kind']>(kind: Kind, namespace: string, world: World): ReadonlyMap<string, OfKind<Kind>[]> {
  const known = indices.get(world) ?? new Map<string, Map<string, Hosted[]>>()
  indices.set(world, known)
  const key = `${kind} ${namespace}`
  const index = known.get(key) ?? indexed([...world.resourcesOf(namespace)].filter((one): one is OfKind<Kind> => one.kind === kind))
  known.set(key, index)
  return index as Map<string, OfKind<Kind>[]>
}

function indexed(resources: Hosted[]): Map<string, Hosted[]> {
  const index = new Map<string, Hosted[]>()
  for (const resource of resources) {
    for (const host of new Set(hostsOf(resource).map(normalizeHost))) {
      const alike = index.get(host)
      if (alike) alike.push(resource)
      else index.set(host, [resource])
    }
  }
  return index
}

const hostsOf = ({ kind, spec }: Hosted): string[] => (kind === 'DestinationRule' ? [spec.host] : (spec.hosts ?? []))
