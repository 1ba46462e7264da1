import { selects } from '../../mesh/istio/services.ts'
import type { Destination as RuleDestination } from '../../mesh/istio/types.ts'
import { resourceKey, type Destination, type Route } from '../../mesh/records.ts'
import { clusterName, readClusterName } from '../../mesh/rules/cluster-name.ts'
import type { Source } from '../../mesh/rules/source.ts'
import { policyOf, rulesFor, type Policy, type Rules } from './policies.ts'
import { findService, routeService, serviceOf, type Service } from './services.ts'

/** A cluster that rules send to; `rulesOf` is the namespace of its DestinationRules. */
export type RuleCluster = { name: string; space: string; policy: Policy | undefined } & (
  | { kind: 'apps'; route?: Route; destinations: Destination[] }
  | {
      kind: 'entry'
      service: Extract<Service, { kind: 'entry' }>
      subset: Record<string, string>
      port: number | undefined
      rulesOf: string
    }
)

/** Where a rule's destination leads, or why nowhere. */
export type Target = { cluster: string; policy: Policy | undefined } | { fault: string }

/** Finds the cluster of a destination that a resource of `namespace` names; `from` is the route whose rule it is. */
export function targetOf(view: Source, { host, subset, port }: RuleDestination, namespace: string, from?: Route): Target {
  const service = findService(view, host, namespace, from)
  if (!service) return { fault: `${host} is no host of a route, no app of this space, and no ServiceEntry` }
  const rules = rulesFor(view, service)
  if (subset !== undefined && !rules.subsets.some(({ name }) => name === subset))
    return { fault: `no DestinationRule gives ${host} a subset ${subset}` }
  const own = isOwnPort(service, rules, port?.number) ? port?.number : undefined
  return { cluster: clusterName(service.id, subset, own), policy: policyOf(rules, subset, own ?? commonPort(service)) }
}

/** What a cluster's name stands for now; undefined where its service or subset is gone. */
export function ruleCluster(view: Source, name: string): RuleCluster | undefined {
  const { service: id, subset, port: number } = readClusterName(name)
  const service = serviceOf(view, id)
  if (!service) return undefined
  const rules = rulesFor(view, service)
  const chosen = rules.subsets.find(({ name }) => name === subset)
  if (subset !== undefined && !chosen) return undefined
  const labels = chosen?.labels ?? {}
  const policy = policyOf(rules, subset, number ?? commonPort(service))
  if (service.kind === 'entry')
    return {
      kind: 'entry',
      name,
      space: service.space,
      policy,
      service,
      subset: labels,
      port: number,
      rulesOf: rules.namespace ?? service.space,
    }
  return {
    kind: 'apps',
    name,
    space: service.space,
    policy,
    route: service.route,
    destinations: membersOf(view, service.destinations, labels, number),
  }
}

/** Keys of the resources that a cluster comes from: DestinationRules, and the ServiceEntry that it is of. */
export function clusterSources(view: Source, cluster: string): string[] {
  const service = serviceOf(view, readClusterName(cluster).service)
  if (!service) return []
  return [...rulesFor(view, service).sources, ...(service.kind === 'entry' ? [resourceKey(service.entry)] : [])]
}

/** The policy for a whole route. */
export function routePolicy(view: Source, route: Route): Policy | undefined {
  const service = routeService(view, route)
  return policyOf(rulesFor(view, service), undefined, commonPort(service))
}

/** The destinations whose app has the labels; at the port, where any is there. */
function membersOf(view: Source, destinations: Destination[], labels: Record<string, string>, port: number | undefined): Destination[] {
  const members = destinations.filter(({ app }) => selects(labels, view.get('app', app) ?? { labels: {} }))
  const there = members.filter((destination) => destination.port === port)
  return there.length ? there : members
}

/**
 * A port is a cluster's own if a policy speaks of it, or only some of the destinations are there; Kubernetes' port numbers mean nothing
 * here.
 */
function isOwnPort(service: Service, { policy, subsets }: Rules, port: number | undefined): boolean {
  if (port === undefined) return false
  if (service.kind === 'entry')
    return (service.entry.spec.ports?.length ?? 0) > 1 && service.entry.spec.ports!.some(({ number }) => number === port)
  const settled = [policy, ...subsets.map(({ trafficPolicy }) => trafficPolicy)].some((level) =>
    level?.portLevelSettings?.some((at) => at.port?.number === port),
  )
  const ports = service.destinations.map((destination) => destination.port)
  return settled || (ports.includes(port) && new Set(ports).size > 1)
}

function commonPort(service: Service): number | undefined {
  if (service.kind === 'entry') return service.entry.spec.ports?.length === 1 ? service.entry.spec.ports[0]?.number : undefined
  const ports = new Set(service.destinations.map(({ port }) => port))
  return ports.size === 1 ? [...ports][0] : undefined
}
