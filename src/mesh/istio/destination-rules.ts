import type { Route } from '../records.ts'
import { byAge, wildcardsOf } from '../rules/hosts.ts'
import { systemNamespace } from './kinds.ts'
import { namesOfRoute, namesOfService, routesOfApps, type Directory, type Service } from './services.ts'
import type { DestinationRule } from './types.ts'

/** Whom DestinationRules are for: the space whose service it is, and the ways to write it, from the most specific to the least. */
export interface Ruled {
  space: string
  spellings: string[][]
}

/** The DestinationRules of a namespace for a host that is written so, in normal form. */
export type RulesNamed = (host: string, namespace: string) => Iterable<DestinationRule>

/**
 * The DestinationRules for a service, the oldest first: those of its own space before the operator's, of these the ones that name it most
 * closely.
 */
export function destinationRulesFor({ space, spellings }: Ruled, named: RulesNamed): DestinationRule[] {
  for (const namespace of new Set([space, systemNamespace])) {
    for (const alike of spellings) {
      const rules = alike.flatMap((host) => [...named(host, namespace)])
      if (rules.length) return rules.sort(byAge)
    }
  }
  return []
}

/** What a destination of that service is; a route for each of its paths. */
export function ruledBy(service: Service, directory: Directory): Ruled[] {
  if (service.kind === 'route') return service.routes.map((route) => ruledRoute(route, directory))
  if (service.kind === 'apps') return [{ space: service.space, spellings: [namesOfService(service.name, service.space, directory), ['*']] }]
  return [{ space: service.entry.metadata.namespace, spellings: [[service.host], ...alone(wildcardsOf(service.host))] }]
}

/** What a DestinationRule for that service is for: also the routes that answer for its apps. */
export function ruledThrough(service: Service, directory: Directory): Ruled[] {
  if (service.kind !== 'apps') return ruledBy(service, directory)
  const routes = routesOfApps(service, directory).filter(({ space }) => space === service.space)
  return [...ruledBy(service, directory), ...routes.map((route) => ruledRoute(route, directory))]
}

const ruledRoute = (route: Route, directory: Directory): Ruled => ({
  space: route.space,
  spellings: [namesOfRoute(route, directory), ...alone(wildcardsOf(route.host))],
})

const alone = (hosts: string[]): string[][] => hosts.map((host) => [host])
