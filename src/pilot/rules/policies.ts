import type { DestinationRule, Subset, TrafficPolicy } from '../../mesh/istio/types.ts'
import type { Source } from '../../mesh/rules/source.ts'
import { name } from '../../mesh/rules/names.ts'
import { systemNamespace } from '../../mesh/istio/kinds.ts'
import { byAge } from '../../mesh/rules/hosts.ts'

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
 * The DestinationRules for a service: those of its own space before the operator's, of these the ones that name it most closely; where
 * several name it alike, all their subsets, the oldest's where two have a name, and the oldest policy, as Istio merges them.
 */
export function rulesFor(view: Source, { space, spellings }: { space: string; spellings: string[][] }): Rules {
  for (const namespace of new Set([space, systemNamespace])) {
    for (const alike of spellings) {
      const rules = alike
        .flatMap((host) => [...view.keysOf(name.resources('DestinationRule', host))])
        .flatMap((key) => {
          const rule = view.get('resource', key)
          return rule?.kind === 'DestinationRule' && rule.metadata.namespace === namespace ? [{ key, rule }] : []
        })
      if (rules.length) return { ...merged(rules.sort((a, b) => byAge(a.rule, b.rule))), namespace }
    }
  }
  return { subsets: [], sources: [] }
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

function merged(rules: { key: string; rule: DestinationRule }[]): Rules {
  const subsets = new Map<string, Subset>()
  for (const { rule } of rules)
    for (const subset of rule.spec.subsets ?? []) if (!subsets.has(subset.name)) subsets.set(subset.name, subset)
  return {
    policy: rules.find(({ rule }) => rule.spec.trafficPolicy)?.rule.spec.trafficPolicy,
    subsets: [...subsets.values()],
    sources: rules.map(({ key }) => key),
  }
}
