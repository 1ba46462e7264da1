import { systemNamespace } from '../istio/kinds.ts'
import { mayShape, namesOfRoute } from '../istio/services.ts'
import type { Route } from '../records.ts'
import type { Source } from './source.ts'
import { directoryOf } from './directory.ts'

export { mayShape } from '../istio/services.ts'

/** The ways to write a route's host in a resource, from the most specific to the least; a wildcard stands for what is beneath it. */
export function spellings(view: Source, route: Pick<Route, 'host' | 'space' | 'destinations'>): string[][] {
  return [namesOfRoute(route, directoryOf(view)), ...wildcardsOf(route.host).map((wildcard) => [wildcard])]
}

/** The wildcards that a host lies beneath, the closest first. */
export function wildcardsOf(host: string): string[] {
  const [, ...rest] = host.split('.')
  const wildcards = rest.map((_label, position) => `*.${rest.slice(position).join('.')}`)
  return [...wildcards.filter((wildcard) => wildcard !== host), '*']
}

/**
 * Most hosts that one wildcard of the operator's shapes, the first by name: each becomes a virtual host, and what a change of rules costs
 * the routers grows with them (design.md §4). A space's wildcard reaches no routes but its own.
 */
export const mostBeneath = 2000

/** Whether a resource of `namespace` shapes a route by the host that it has written. */
export function holds(view: Source, written: string, namespace: string, route: Pick<Route, 'host' | 'space'>): boolean {
  if (!mayShape(namespace, route)) return false
  return namespace !== systemNamespace || !written.startsWith('*') || written === route.host || !view.exceeds(written, route.host)
}

/** Oldest first, of the same age by name; what is not kept yet last. */
export function byAge(a: { metadata: { createdAt: string; name: string; namespace: string } }, b: typeof a): number {
  const [left, right] = [a, b].map(({ metadata: { createdAt, namespace, name } }) => `${createdAt || '9999'} ${namespace}/${name}`) as [
    string,
    string,
  ]
  return left < right ? -1 : left > right ? 1 : 0
}
