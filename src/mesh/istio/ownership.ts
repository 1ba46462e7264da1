import { normalizeHost } from '../host.ts'
import type { Route } from '../records.ts'
import type { Platform } from './platform.ts'
import { systemNamespace } from './kinds.ts'
import { appServices, entriesMet, mayShape, routesOfApps, type Directory } from './services.ts'

/** What a host of a VirtualService, Gateway or RateLimit reaches. */
export interface Reach {
  /** The routes that a resource of that namespace may shape by this host. */
  routes: Route[]
  /** Guid of the space that has the host, where it is another's and the resource must be refused. */
  foreign?: string
}

/**
 * The routes that `host` reaches from a resource of `namespace`. A space shapes only host+path routes that it owns itself (a route that is
 * shared into it stays its owner's); the operator shapes all. A wildcard reaches whatever the space owns beneath it, and is never
 * another's. The name of a service of apps means the routes that send to those apps and no others.
 */
export function reach(host: string, namespace: string, platform: Platform): Reach {
  const name = normalizeHost(host)
  if (name === '*' || name.startsWith('*.'))
    return { routes: [...platform.routesBeneath(name)].filter((route) => mayShape(namespace, route)) }
  return reachNamed(name, namespace, platform)
}

/** The same for a host that is no wildcard. */
export function reachNamed(host: string, namespace: string, directory: Directory): Reach {
  const name = normalizeHost(host)
  const routes = [...directory.routesOfHost(name)]
  if (routes.length) {
    const own = routes.filter((route) => mayShape(namespace, route))
    return own.length ? { routes: own } : { routes: [], foreign: routes[0]!.space }
  }
  const found = appServices(name, namespace, directory).flatMap((service) =>
    routesOfApps(service, directory).filter(({ space }) => space === service.space),
  )
  return { routes: [...new Set(found)] }
}

/**
 * Whether a resource of `namespace` shapes what apps meet at a host outside, by a ServiceEntry that is its own to shape; else false where
 * the entry is the operator's, and undefined where it has none.
 */
export function shapesOutside(host: string, namespace: string, directory: Directory): boolean | undefined {
  const owners = entriesMet(normalizeHost(host), directory).map(({ metadata }) => metadata.namespace)
  if (owners.some((space) => mayShape(namespace, { space }))) return true
  return owners.includes(systemNamespace) ? false : undefined
}

/** Why a space's resource for a host of the operator's ServiceEntry has no effect. */
export const operatorsEntry = (host: string): string => `${host} is a ServiceEntry of the operator's, for which his own rules alone hold`

/** Why the name of apps reaches no route: their routes send to others, too, or there are none; undefined where it names no apps. */
export function whyUnreached(host: string, namespace: string, directory: Directory): string | undefined {
  const services = appServices(normalizeHost(host), namespace, directory)
  if (!services.length) return undefined
  const routes = services.flatMap(({ space, apps }) =>
    apps.flatMap(({ guid }) => [...directory.routesOfApp(guid)].filter((route) => route.space === space)),
  )
  const hosts = [...new Set(routes.map((route) => route.host))].sort()
  if (!hosts.length) return `no route sends to the apps that ${host} names`
  const some = `${hosts.slice(0, 3).join(', ')}${hosts.length > 3 ? ', …' : ''}`
  return `the routes of the apps that ${host} names (${some}) send to other apps, too, so that they are not meant; write their hosts`
}
