import type { RateLimit } from '../istio/types.ts'
import type { Route } from '../records.ts'
import { byAge, mayShape, spellings } from './hosts.ts'
import { name } from './names.ts'
import type { Source } from './source.ts'

/** The RateLimits for a route, the oldest first: all that name its host in any way. */
export function rateLimitsOf(view: Source, route: Route): RateLimit[] {
  const keys = new Set(spellings(view, route).flatMap((alike) => alike.flatMap((host) => [...view.keysOf(name.resources('RateLimit', host))])))
  const found = [...keys].flatMap((key) => {
    const resource = view.get('resource', key)
    return resource?.kind === 'RateLimit' && mayShape(resource.metadata.namespace, route) ? [resource] : []
  })
  return found.sort(byAge)
}
