import type { Route } from '../records.ts'
import { analyse, type World } from './analyse.ts'
import type { Draft } from './check.ts'
import { codes, type Finding } from './finding.ts'
import type { Resource } from './types.ts'

/** What can be said without the platform: what resources make of each other. */
const told: string[] = [codes.merged, codes.shadowed, codes.unreachable, codes.subsetUnknown]

/**
 * What resources that are not applied yet make of each other. Every host is taken for a service; a subset is missed only where a rule for
 * its host is there.
 */
export function analyseAlone(drafts: Draft[]): Map<Draft, Finding[]> {
  const resources = drafts.map((draft): Resource => ({ ...draft, metadata: { ...draft.metadata, generation: 1, createdAt: '' } }))
  const world = alone(resources)
  const ruled = new Set(resources.flatMap((resource) => (resource.kind === 'DestinationRule' ? resource.spec.host : [])))
  return new Map(
    drafts.map((draft, position) => [
      draft,
      analyse(resources[position]!, world).filter(
        ({ code, message }) =>
          told.includes(code) && (code !== codes.subsetUnknown || [...ruled].some((host) => message.includes(` ${host} a subset `))),
      ),
    ]),
  )
}

function alone(resources: Resource[]): World {
  const namespaces = [...new Set(resources.map(({ metadata }) => metadata.namespace))]
  return {
    resourcesOf: (namespace) => resources.filter(({ metadata }) => metadata.namespace === namespace),
    routesOfHost: (host) => namespaces.map((space) => ({ host, space, exposure: 'pub', destinations: [] }) as unknown as Route),
    routesBeneath: () => [],
    routesOfApp: () => [],
    appsCalled: () => [],
    app: () => undefined,
    space: () => undefined,
    spacesNamed: () => [],
    serviceEntries: () => [],
    secret: () => undefined,
  }
}
