import type { HttpMatch, RateLimit } from '../../mesh/istio/types.ts'
import { resourceKey, type Route } from '../../mesh/records.ts'
import type { Audience } from '../../mesh/rules/audience.ts'
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

/** The RateLimits for a route, as they hold for its paths and, where it has an audience, for those callers. */
export function rateLimitsFor(view: Source, route: Route, paths: string[], audience?: Audience): HostLimits[] {
  return rateLimitsOf(view, route).map((resource) => {
    const { namespace, name: bare } = resource.metadata
    const { match = [] } = resource.spec
    const conditions = match.length || !audience ? match : [{}]
    return {
      source: resourceKey(resource),
      id: `${namespace}/${bare}`,
      path: route.path,
      without: paths.filter((path) => path !== route.path && path.startsWith(`${route.path}/`)),
      matches: conditions.map((match) => ({ match, callers: callersOf(view, match, namespace, route.exposure, audience) })),
      spec: resource.spec,
    }
  })
}
