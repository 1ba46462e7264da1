import type { HealthCheck } from '../../mesh/health-check.ts'
import type { Route } from '../../mesh/records.ts'
import { ownProtocol } from '../../mesh/route-notes.ts'
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
 * Reads a route's traits. Weights hold exactly only under round robin, which a route with weights gets. What is asked for and not so is
 * told by `routeNotes`.
 */
export function traitsOf(key: string, route: Served, settings: TranslationSettings, policy?: Policy): RouteTraits {
  const { loadbalancing: asked, hash_header: header, hash_balance: balance } = route.options
  const hashed = asked === 'hash' && typeof header === 'string' && header !== '' && !policy?.loadBalancer
  const wanted = asked === 'hash' ? 'round-robin' : (asked ?? settings.loadBalancing)
  const factor = Math.round(Number(balance) * 100)
  const weighted = route.destinations.some(({ weight }) => weight !== undefined)

  const apps = new Set(route.destinations.map(({ app }) => app))
  return {
    key,
    route,
    protocol: protocolOf(ownProtocol(route.destinations), policy),
    loadBalancing: weighted ? 'round-robin' : wanted,
    policy: hashed ? { ...policy, loadBalancer: { consistentHash: { httpHeaderName: header } } } : policy,
    ...(hashed && factor >= 100 ? { balanceFactor: factor } : {}),
    app: apps.size === 1 ? [...apps][0] : undefined,
  }
}
