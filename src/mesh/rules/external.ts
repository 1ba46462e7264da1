import { entryOf } from '../istio/services.ts'
import { resourceKey, type Route } from '../records.ts'
import { directoryOf } from './directory.ts'
import type { Source } from './source.ts'
import { boundRoutes, mergedRoutes, virtualServicesFor, type BoundRoute } from './virtual-services.ts'

/** A host outside, which a ServiceEntry names: apps reach it over the internal listener, with the rules of its space. */
export interface ExternalHost {
  /** What it is like as a route. */
  route: Route
  rules: BoundRoute[]
}

/** What `host` is by the ServiceEntry that all apps see: the operator's, else the oldest. */
export function externalHost(view: Source, host: string): ExternalHost | undefined {
  const entry = entryOf(host, directoryOf(view))
  if (!entry) return undefined
  const { namespace, name } = entry.metadata
  const route: Route = { host, path: '', exposure: 'int', space: namespace, labels: {}, options: {}, destinations: [] }
  const bound = mergedRoutes(virtualServicesFor(view, route).map((service) => boundRoutes(view, service, host, 'int')))
  const all: BoundRoute = {
    name: `${namespace}/${name}`,
    source: resourceKey(entry),
    namespace,
    route: { route: [{ destination: { host } }] },
    matches: [{ match: undefined, binding: 'all' }],
  }
  return { route, rules: bound.length ? bound : [all] }
}
