import type { HttpMatch, RateLimit } from '../../mesh/istio/types.ts'
import { resourceKey, type Route } from '../../mesh/records.ts'
import type { Source } from '../../mesh/rules/source.ts'
import { rateLimitsOf } from '../../mesh/rules/rate-limits.ts'
import { callersOf, type Callers } from './callers.ts'

/** A RateLimit as it holds for the paths of one platform route. */
export interface HostLimits {
  /** Key of the resource. */
  source: string
  /** `NAMESPACE/NAME`. */
  id: string
  /** Prefix on segment boundaries of the route whose requests count; empty for all. */
  path: string
  /** Longer prefixes beneath it, which are other routes'. */
  without: string[]
  matches: { match: HttpMatch; callers: Callers | undefined }[]
  spec: RateLimit['spec']
}

/** The RateLimits for a route, as they hold for its paths. */
export function rateLimitsFor(view: Source, route: Route, paths: string[]): HostLimits[] {
  return rateLimitsOf(view, route).map((resource) => {
    const { namespace, name: bare } = resource.metadata
    return {
      source: resourceKey(resource),
      id: `${namespace}/${bare}`,
      path: route.path,
      without: paths.filter((path) => path !== route.path && path.startsWith(`${route.path}/`)),
      matches: (resource.spec.match ?? []).map((match) => ({ match, callers: callersOf(view, match, namespace, route.exposure) })),
      spec: resource.spec,
    }
  })
}
