import { destinationRulesFor, type Ruled } from '../../mesh/istio/destination-rules.ts'
import type { DestinationRule, Subset, TrafficPolicy } from '../../mesh/istio/types.ts'
import { resourceKey } from '../../mesh/records.ts'
import type { Source } from '../../mesh/rules/source.ts'
import { name } from '../../mesh/rules/names.ts'

/** What DestinationRules say of a service. */
export interface Rules {
  policy?: TrafficPolicy
  subsets: Subset[]
  /** Keys of the resources that say so, and their namespace. */
  sources: string[]
  namespace?: string
}

/** How a service, or a subset of it at a port, is to be asked. */
export type Policy = Omit<TrafficPolicy, 'portLevelSettings'>

/**
 * What the DestinationRules for a service say: where several name it alike, all their subsets, the oldest's where two have a name, and the
 * oldest policy, as Istio merges them.
 */
export function rulesFor(view: Source, ruled: Ruled): Rules {
  const rules = destinationRulesFor(ruled, (host, namespace) =>
    [...view.keysOf(name.resources('DestinationRule', host))].flatMap((key) => {
      const rule = view.get('resource', key)
      return rule?.kind === 'DestinationRule' && rule.metadata.namespace === namespace ? [rule] : []
    }),
  )
  return rules.length ? { ...merged(rules), namespace: rules[0]!.metadata.namespace } : { subsets: [], sources: [] }
}

/** The policy of a subset, or of all, at a port: a port's settings hold instead of the others, a subset's over those of all. */
export function policyOf({ policy, subsets }: Rules, subset: string | undefined, port: number | undefined): Policy | undefined {
  const own = subsets.find(({ name }) => name === subset)?.trafficPolicy
  for (const level of [own, policy]) {
    const atPort = level?.portLevelSettings?.find((settings) => settings.port?.number !== undefined && settings.port.number === port)
    if (!atPort) continue
    const { port: _port, ...settings } = atPort
    return settings
  }
  if (!own && !policy) return undefined
  const { portLevelSettings: _all, ...settings } = { ...policy, ...own }
  return settings
}

function merged(rules: DestinationRule[]): Rules {
  const subsets = new Map<string, Subset>()
  for (const { spec } of rules) for (const subset of spec.subsets ?? []) if (!subsets.has(subset.name)) subsets.set(subset.name, subset)
  const policy = rules.find(({ spec }) => spec.trafficPolicy)?.spec.trafficPolicy
  return { ...(policy && { policy }), subsets: [...subsets.values()], sources: rules.map(resourceKey) }
}
