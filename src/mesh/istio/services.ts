import { normalizeHost } from '../host.ts'
import type { App, Route } from '../records.ts'
import type { Platform } from './platform.ts'
import type { ServiceEntry } from './types.ts'

/** What the host of a destination or of a DestinationRule means. */
export type Service =
  | { kind: 'route'; host: string; routes: Route[] }
  | { kind: 'apps'; name: string; space: string; apps: { guid: string; app: App }[] }
  | { kind: 'external'; host: string; entry: ServiceEntry }

const clusterSuffix = /\.svc(\.cluster\.local)?$/

/** Whether a name is written as Kubernetes has it; it is then read as `NAME.SPACE`, with a warning. */
export const isClusterName = (host: string): boolean => clusterSuffix.test(host)

/**
 * The service that `host` names in a resource of `namespace` (a space's guid, or the operator's namespace): a route's host; a ServiceEntry's host;
 * `NAME`, `NAME.SPACE`, `NAME.SPACE.ORGANIZATION`. Undefined where there is none.
 */
export function resolveService(given: string, namespace: string, platform: Platform): Service | undefined {
  const host = normalizeHost(given)
  const routes = [...platform.routesOfHost(host)]
  if (routes.length) return { kind: 'route', host, routes }
  const [entry] = platform.serviceEntries(host)
  if (entry) return { kind: 'external', host, entry }
  // A name of an app keeps its letters; only hosts are folded.
  const [name = '', space, ...organization] = given.replace(/\.$/, '').replace(clusterSuffix, '').split('.')
  const spaces = space === undefined ? [namespace] : spacesOf(space, organization.join('.') || undefined, namespace, platform)
  for (const guid of spaces) {
    const apps = appsNamed(name, guid, platform)
    if (apps.length) return { kind: 'apps', name, space: guid, apps }
  }
  return undefined
}

/** A space by name or guid; of several of that name the one in the organization of the resource's own space comes first. */
function spacesOf(space: string, organization: string | undefined, namespace: string, platform: Platform): string[] {
  if (platform.space(space)) return [space]
  if (organization !== undefined) return platform.spacesNamed(space, organization)
  const home = platform.space(namespace)?.organization
  const own = home === undefined ? [] : platform.spacesNamed(space, home)
  return own.length ? own : platform.spacesNamed(space)
}

/** The apps whose label `app` is the name, else the app of that name. */
export function appsNamed(name: string, space: string, platform: Pick<Platform, 'appsOf'>): { guid: string; app: App }[] {
  const apps = [...platform.appsOf(space)].map(([guid, app]) => ({ guid, app }))
  const labelled = apps.filter(({ app }) => app.labels['app'] === name)
  return labelled.length ? labelled : apps.filter(({ app }) => app.name === name)
}

/** The apps of a service that have all the labels of a subset. */
export function selects(labels: Record<string, string> | undefined, app: App): boolean {
  return Object.entries(labels ?? {}).every(([name, value]) => app.labels[name] === value)
}
