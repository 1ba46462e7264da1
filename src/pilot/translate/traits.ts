import type { Route } from '../../mesh/records.ts'
import type { TranslationSettings } from './settings.ts'

/** What clusters can differ in, beside their names and metadata: those of one variant share all else. */
export interface ClusterVariant {
  protocol: 'http1' | 'http2'
  loadBalancing: TranslationSettings['loadBalancing']
}

/** What a route's own record says about how its cluster must be, whoever serves it. */
export interface RouteTraits extends ClusterVariant {
  key: string
  route: Route
  /** The app, where all destinations are of one. */
  app: string | undefined
  /** Path and cookies of its sessions, where they stick to their instances. */
  session?: string | undefined
  /** What was asked for and is not so, for people. */
  notes: string[]
}

/**
 * Reads a route's traits.
 *
 * An instance speaks one protocol and a cluster has one, so that a route whose destinations differ is served over HTTP/1.1,
 * which apps that take HTTP/2 nearly always take as well. Weights hold exactly only under round robin, which a route with weights gets.
 */
export function traitsOf(key: string, route: Route, settings: TranslationSettings): RouteTraits {
  const notes: string[] = []
  const protocols = new Set(route.destinations.map(({ protocol }) => protocol))
  if (protocols.size > 1) notes.push('its destinations mix http1 and http2: all are asked over HTTP/1.1')

  const asked = route.options.loadbalancing
  if (asked === 'hash') notes.push('load balancing by hash is not available: instances are taken in turn')
  const wanted = asked === 'hash' ? 'round-robin' : (asked ?? settings.loadBalancing)
  const weighted = route.destinations.some(({ weight }) => weight !== undefined)
  if (weighted && wanted !== 'round-robin') notes.push(`weights hold only when instances are taken in turn: ${wanted} is not used`)

  const apps = new Set(route.destinations.map(({ app }) => app))
  return {
    key,
    route,
    protocol: protocols.size === 1 && protocols.has('http2') ? 'http2' : 'http1',
    loadBalancing: weighted ? 'round-robin' : wanted,
    app: apps.size === 1 ? [...apps][0] : undefined,
    notes,
  }
}
