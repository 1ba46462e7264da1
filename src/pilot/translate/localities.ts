import { hash } from 'node:crypto'
import type { Node } from '../../common/proto/gen/envoy/config/core/v3/base_pb.js'
import type { Resource } from '../../common/xds/resources.ts'
import { distance, isWithin, type Locality } from '../../mesh/locality.ts'
import type { Policy } from '../rules/policies.ts'
import { assignmentOf, type LbEndpoint, type LbGroup } from './lb-endpoints.ts'

type Setting = NonNullable<NonNullable<Policy['loadBalancer']>['localityLbSetting']>

/** What is known of who asks or is asked. */
interface Placed {
  locality: Locality
  /** Labels of the app, or of the router. */
  labels: Record<string, string>
}

export interface PlacedEndpoint extends Placed {
  endpoint: LbEndpoint
}

/** What a policy says of zones, where it says anything that has an effect: without outlier detection nothing ever fails over. */
export function localitySetting({ loadBalancer, outlierDetection }: Policy = {}): Setting | undefined {
  const setting = loadBalancer?.localityLbSetting
  if (!setting || setting.enabled === false) return undefined
  return setting.distribute?.length || outlierDetection ? setting : undefined
}

/** Whether a policy gives zones shares. */
export const isDistributed = (policy: Policy | undefined): boolean => (localitySetting(policy)?.distribute?.length ?? 0) > 0

/**
 * The endpoints of a cluster that are sought by zone: each router has them in an order of its own, by where it is. One that does not know
 * that has them all alike. Istio: DestinationRule localityLbSetting (pilot/pkg/networking/core/loadbalancer).
 */
export function placedAssignment(name: string, named: string[], endpoints: PlacedEndpoint[], setting: Setting, region: string): Resource {
  const encode = (groups: LbGroup[]): Resource => assignmentOf(name, groups, named)
  const common = encode(grouped(endpoints.map((endpoint) => ({ ...endpoint, priority: 0 }))))
  const made = new Map<string, Resource>()
  const forNode = (node: Node): Resource => {
    const router = placeOf(node, region)
    if (!router) return common
    const place = JSON.stringify(router)
    const resource =
      made.get(place) ??
      encode(setting.distribute?.length ? distributed(endpoints, router.locality, setting.distribute) : ordered(endpoints, router, setting))
    made.set(place, resource)
    return resource
  }
  // Another version whenever any router's may be another.
  return { ...common, version: hash('sha256', `${common.version} ${JSON.stringify(setting)}`, 'base64url').slice(0, 16), forNode }
}

function placeOf({ locality, metadata }: Node, region: string): Placed | undefined {
  if (!locality?.zone) return undefined
  return {
    locality: { region: locality.region || region, zone: locality.zone, subZone: locality.subZone },
    labels: (metadata?.['labels'] ?? {}) as Record<string, string>,
  }
}

const weightOf = (endpoints: { endpoint: LbEndpoint }[]): number => endpoints.reduce((sum, { endpoint }) => sum + (endpoint.weight ?? 1), 0)

const key = ({ region, zone, subZone }: Locality): string => [region, zone, subZone].join('/')

/** One part for each locality of a priority, with the weight that its endpoints have together. */
function grouped(endpoints: (PlacedEndpoint & { priority: number })[]): LbGroup[] {
  const groups = [...Map.groupBy(endpoints, ({ locality, priority }) => `${priority} ${key(locality)}`)].sort(([a], [b]) =>
    a < b ? -1 : 1,
  )
  return groups.map(([, group]) => part(group, group[0]!.priority, weightOf(group)))
}

function part(group: PlacedEndpoint[], priority: number, weight: number): LbGroup {
  return { place: { locality: group[0]!.locality, priority, weight }, endpoints: group.map(({ endpoint }) => endpoint) }
}

/**
 * The shares of the first entry that is for the router's locality; where there is none, all endpoints alike. Localities without a share get
 * nothing.
 */
function distributed(endpoints: PlacedEndpoint[], from: Locality, distribute: NonNullable<Setting['distribute']>): LbGroup[] {
  const entry = distribute.find((one) => isWithin(from, one.from ?? ''))
  if (!entry) return grouped(endpoints.map((endpoint) => ({ ...endpoint, priority: 0 })))
  const localities = [...Map.groupBy(endpoints, ({ locality }) => key(locality)).values()]
  return Object.entries(entry.to ?? {}).flatMap(([written, share]) => {
    const meant = localities.filter(([first]) => isWithin(first!.locality, written))
    const total = weightOf(meant.flat())
    return meant.map((group) => part(group, 0, Math.ceil((weightOf(group) * share) / total)))
  })
}

/**
 * By how near endpoints are, or how much of `failoverPriority` they have in common with the router; the next are asked as those before
 * fail.
 */
function ordered(endpoints: PlacedEndpoint[], router: Placed, { failover = [], failoverPriority = [] }: Setting): LbGroup[] {
  const byNearness = !failoverPriority.length || failover.length > 0
  const ranks = endpoints.map(
    (endpoint) =>
      unlike(endpoint, router, failoverPriority) * 5 + (byNearness ? remoteness(endpoint.locality, router.locality, failover) : 0),
  )
  const levels = [...new Set(ranks)].sort((a, b) => a - b)
  return grouped(endpoints.map((endpoint, position) => ({ ...endpoint, priority: levels.indexOf(ranks[position]!) })))
}

/** How many of `labels` are left from the first one that an endpoint does not have as the router, or as `LABEL=VALUE` says. */
function unlike(endpoint: Placed, router: Placed, labels: string[]): number {
  const [theirs, ours] = [endpoint, router].map(labelsOf)
  const differing = labels.findIndex((written) => {
    const [label = '', value] = written.split('=')
    return theirs![label] !== (value ?? ours![label])
  })
  return differing < 0 ? 0 : labels.length - differing
}

function labelsOf({ locality: { region, zone, subZone }, labels }: Placed): Record<string, string> {
  return { ...labels, 'topology.kubernetes.io/region': region, 'topology.kubernetes.io/zone': zone, 'topology.istio.io/subzone': subZone }
}

function remoteness(locality: Locality, from: Locality, failover: NonNullable<Setting['failover']>): number {
  const far = distance(locality, from)
  const next = failover.find((one) => one.from === from.region)
  return far === 3 && next && next.to !== locality.region ? 4 : far
}
