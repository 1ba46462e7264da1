import type { HealthCheck } from '../../mesh/health-check.ts'
import type { Route } from '../../mesh/records.ts'
import type { Policy } from '../rules/policies.ts'
import type { TranslationSettings } from './settings.ts'

/** What clusters can differ in, beside their names and metadata: those of one variant share all else. */
export interface ClusterVariant {
  /** `client` for that of each request. */
  protocol: 'http1' | 'http2' | 'client'
  loadBalancing: TranslationSettings['loadBalancing']
  /** What DestinationRules and the route's own `hash` option say. */
  policy?: Policy
  healthCheck?: HealthCheck | undefined
  /** How far an instance's load by hash may be above the mean, percent (RFC-0042's `hash_balance`). */
  balanceFactor?: number
}

/** What a route's own record says about how its cluster must be, whoever serves it. */
export interface RouteTraits extends ClusterVariant {
  key: string
  route: Served
  /** The app, where all destinations are of one. */
  app: string | undefined
  /** Path and cookies of its sessions, where they stick to their instances. */
  session?: string | undefined
  /** What was asked for and is not so, for people. */
  notes: string[]
}

/** What has instances: a route, or a service of rules. */
export type Served = Pick<Route, 'space' | 'guid' | 'options' | 'destinations'>

/** What endpoints are spoken to that speak `own`. Istio: DestinationRule connectionPool.http useClientProtocol, h2UpgradePolicy. */
export function protocolOf(own: 'http1' | 'http2', policy: Policy | undefined): ClusterVariant['protocol'] {
  const { useClientProtocol, h2UpgradePolicy } = policy?.connectionPool?.http ?? {}
  if (useClientProtocol) return 'client'
  return h2UpgradePolicy === 'UPGRADE' ? 'http2' : own
}

/**
 * Reads a route's traits.
 *
 * An instance speaks one protocol and a cluster has one, so that a route whose destinations differ is served over HTTP/1.1,
 * which apps that take HTTP/2 nearly always take as well. Weights hold exactly only under round robin, which a route with weights gets.
 */
export function traitsOf(key: string, route: Served, settings: TranslationSettings, policy?: Policy): RouteTraits {
  const notes: string[] = []
  const protocols = new Set(route.destinations.map(({ protocol }) => protocol))
  if (protocols.size > 1) notes.push('its destinations mix http1 and http2: all are asked over HTTP/1.1')

  const { loadbalancing: asked, hash_header: header, hash_balance: balance } = route.options
  const named = typeof header === 'string' && header !== ''
  const hashed = asked === 'hash' && named && !policy?.loadBalancer
  if (asked === 'hash' && !named) notes.push('hash_header is missing, by which instances would be chosen: they are taken in turn')
  if (asked && policy?.loadBalancer) notes.push(`a DestinationRule says how instances are chosen: the route's option loadbalancing=${asked} is not used`)
  const wanted = asked === 'hash' ? 'round-robin' : (asked ?? settings.loadBalancing)
  const factor = Math.round(Number(balance) * 100)
  const weighted = route.destinations.some(({ weight }) => weight !== undefined)
  if (weighted && wanted !== 'round-robin') notes.push(`weights hold only when instances are taken in turn: ${wanted} is not used`)

  const apps = new Set(route.destinations.map(({ app }) => app))
  return {
    key,
    route,
    protocol: protocolOf(protocols.size === 1 && protocols.has('http2') ? 'http2' : 'http1', policy),
    loadBalancing: weighted ? 'round-robin' : wanted,
    policy: hashed ? { ...policy, loadBalancer: { consistentHash: { httpHeaderName: header } } } : policy,
    ...(hashed && factor >= 100 ? { balanceFactor: factor } : {}),
    app: apps.size === 1 ? [...apps][0] : undefined,
    notes,
  }
}
