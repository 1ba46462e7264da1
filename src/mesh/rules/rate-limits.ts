import type { RateLimit } from '../istio/types.ts'
import type { Route } from '../records.ts'
import { byAge, holds, spellings } from './hosts.ts'
import { name } from './names.ts'
import type { Source } from './source.ts'

/** The RateLimits for a route, the oldest first: all that name its host in any way. */
export function rateLimitsOf(view: Source, route: Route): RateLimit[] {
  const limits = spellings(view, route)
    .flat()
    .flatMap((host) =>
      [...view.keysOf(name.resources('RateLimit', host))].flatMap((key) => {
        const resource = view.get('resource', key)
        return resource?.kind === 'RateLimit' && holds(view, host, resource.metadata.namespace, route) ? [resource] : []
      }),
    )
  return [...new Set(limits)].sort(byAge)
}
