import { normalizeHost } from '../host.ts'
import type { Route } from '../records.ts'
import { systemNamespace } from './kinds.ts'
import type { Platform } from './platform.ts'
import { appsNamed, isClusterName } from './services.ts'

/** What a host of a VirtualService, Gateway or RateLimit reaches. */
export interface Reach {
  /** The routes that a resource of that namespace may shape by this host. */
  routes: Route[]
  /** Guid of the space that has the host, where it is another's and the resource must be refused. */
  foreign?: string
}

/**
 * The routes that `host` reaches from a resource of `namespace`. A space shapes only host+path routes that it owns itself (a route that is shared
 * into it stays its owner's); the operator shapes all. A wildcard reaches whatever the space owns beneath it, and is never another's.
 * A short name means the routes that send to the apps of that name.
 */
export function reach(host: string, namespace: string, platform: Platform): Reach {
  const mine = (route: Route): boolean => namespace === systemNamespace || route.space === namespace
  const name = normalizeHost(host)
  if (name === '*' || name.startsWith('*.')) return { routes: [...platform.routesBeneath(name)].filter(mine) }
  const routes = [...platform.routesOfHost(name)]
  if (routes.length) {
    const own = routes.filter(mine)
    return own.length ? { routes: own } : { routes: [], foreign: routes[0]!.space }
  }
  if (name.includes('.') && !isClusterName(name)) return { routes: [] }
  const [short = ''] = host.split('.')
  const found = appsNamed(short, namespace, platform).flatMap(({ guid }) => [...platform.routesOfApp(guid)])
  return { routes: [...new Set(found)].filter(mine) }
}
