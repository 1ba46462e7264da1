import { systemNamespace } from '../istio/kinds.ts'
import { entriesMet } from '../istio/services.ts'
import type { ServiceEntry } from '../istio/types.ts'
import { resourceKey, type Route } from '../records.ts'
import type { Audience } from './audience.ts'
import { directoryOf } from './directory.ts'
import type { Source } from './source.ts'
import { boundRoutes, mergedRoutes, virtualServicesFor, type BoundRoute } from './virtual-services.ts'

/** A host outside, which a ServiceEntry names: apps reach it over the internal listener, with the rules of the entry's space. */
export interface ExternalHost {
  /** What it is like as a route. */
  route: Route
  /** Whom it answers so; undefined for all. */
  audience: Audience | undefined
  rules: BoundRoute[]
}

/**
 * What `host` is by ServiceEntries: the operator's, for all; else that of each space, for its own apps, the oldest also for callers that
 * show no certificate.
 */
export function externalHosts(view: Source, host: string): ExternalHost[] {
  return entriesMet(host, directoryOf(view)).map((entry, position) => {
    const { namespace: space } = entry.metadata
    return externalHost(view, host, entry, space === systemNamespace ? undefined : { space, unknown: position === 0 })
  })
}

function externalHost(view: Source, host: string, entry: ServiceEntry, audience: Audience | undefined): ExternalHost {
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
  const rules = (bound.length ? bound : [all]).map((rule) => ({ ...rule, matches: rule.matches.map((match) => ({ ...match, audience })) }))
  return { route, audience, rules }
}
