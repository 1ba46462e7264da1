import { normalizeHost } from '../host.ts'
import type { App, Route } from '../records.ts'
import { systemNamespace } from './kinds.ts'
import type { Platform } from './platform.ts'
import type { ServiceEntry } from './types.ts'

/** What the host of a destination or of a DestinationRule means. */
export type Service =
  | { kind: 'route'; host: string; routes: Route[] }
  | ({ kind: 'apps' } & AppService)
  | { kind: 'external'; host: string; entry: ServiceEntry }

/** The apps of a space whose label `app` is the name, else the app of that name. */
export interface AppService {
  /** In lower case. */
  name: string
  space: string
  apps: { guid: string; app: App }[]
}

/** What names are looked up in. */
export type Directory = Omit<Platform, 'routesBeneath'>

const clusterSuffix = /\.svc(\.cluster\.local)?$/

/** Whether a name is written as Kubernetes has it; it is then read as `NAME.SPACE`, with a warning. */
export const isClusterName = (host: string): boolean => clusterSuffix.test(normalizeHost(host))

/** Whether a resource of `namespace` may shape a route: one of its own space, or any for the operator. */
export const mayShape = (namespace: string, { space }: Pick<Route, 'space'>): boolean =>
  namespace === systemNamespace || namespace === space

/**
 * The service that `host` names in a resource of `namespace` (a space's guid, or the operator's namespace), in small or capital letters: a
 * route's host (an internal one of its own space alone, since network policies are a space's own); a host of a ServiceEntry; `NAME`,
 * `NAME.SPACE`, `NAME.SPACE.ORGANIZATION`, of its own space alone, unless it is the operator's. Undefined where there is none.
 */
export function resolveService(host: string, namespace: string, directory: Directory): Service | undefined {
  const name = normalizeHost(host)
  const routes = [...directory.routesOfHost(name)].filter((route) => route.exposure === 'pub' || mayShape(namespace, route))
  if (routes.length) return { kind: 'route', host: name, routes }
  const entry = entryOf(name, directory, namespace)
  if (entry) return { kind: 'external', host: name, entry }
  const [apps] = appServices(name, namespace, directory)
  return apps && { kind: 'apps', ...apps }
}

type Entries = Pick<Directory, 'serviceEntries' | 'space'>

/** The entry for `host` that rules of a namespace mean: its own before the operator's, the oldest first. */
export function entryOf(host: string, directory: Entries, namespace: string): ServiceEntry | undefined {
  const there = entriesThere(host, directory)
  return there.find(({ metadata }) => metadata.namespace === namespace) ?? there.find(isOperators)
}

/** The entries for `host` that apps meet: the operator's oldest alone, else the oldest of each space, the oldest first. */
export function entriesMet(host: string, directory: Entries): ServiceEntry[] {
  const there = entriesThere(host, directory)
  const operators = there.find(isOperators)
  if (operators) return [operators]
  return there.filter(({ metadata }, position) => there.findIndex((other) => other.metadata.namespace === metadata.namespace) === position)
}

const isOperators = ({ metadata }: ServiceEntry): boolean => metadata.namespace === systemNamespace

/** The entries for `host`, the oldest first; what a space has left that is gone nobody sees. */
function entriesThere(host: string, directory: Entries): ServiceEntry[] {
  const age = ({ metadata }: ServiceEntry): string => `${metadata.createdAt || '9999'} ${metadata.namespace}/${metadata.name}`
  return [...directory.serviceEntries(host)]
    .filter((entry) => isOperators(entry) || directory.space(entry.metadata.namespace) !== undefined)
    .sort((a, b) => (age(a) < age(b) ? -1 : 1))
}

/** The services of apps that a name means; several only where the operator's `NAME.SPACE` is in more than one organization. */
export function appServices(host: string, namespace: string, directory: Directory): AppService[] {
  const [name = '', space, ...organization] = normalizeHost(host).replace(clusterSuffix, '').split('.')
  return spacesOf(space, organization.join('.') || undefined, namespace, directory).flatMap(
    (guid) => appService(name, guid, directory) ?? [],
  )
}

/** The service NAME, in lower case, of a space. */
export function appService(name: string, space: string, directory: Directory): AppService | undefined {
  const apps = appsNamed(name, space, directory)
  return apps.length ? { name, space, apps } : undefined
}

function spacesOf(space: string | undefined, organization: string | undefined, namespace: string, directory: Directory): string[] {
  if (space === undefined) return namespace === systemNamespace ? [] : [namespace]
  if (namespace !== systemNamespace) return isCalled(namespace, space, organization, directory) ? [namespace] : []
  return directory.space(space) ? [space] : directory.spacesNamed(space, organization).sort()
}

function isCalled(guid: string, space: string, organization: string | undefined, directory: Directory): boolean {
  const own = directory.space(guid)
  return (
    space === guid || (own?.name.toLowerCase() === space && (organization === undefined || own.organization.toLowerCase() === organization))
  )
}

function appsNamed(name: string, space: string, directory: Directory): { guid: string; app: App }[] {
  const apps = [...directory.appsCalled(space, name)].map(([guid, app]) => ({ guid, app }))
  const labelled = apps.filter(({ app }) => app.labels['app']?.toLowerCase() === name)
  return (labelled.length ? labelled : apps).sort((a, b) => (a.guid < b.guid ? -1 : 1))
}

/** The routes that answer for a service of apps: those that send to no others. */
export function routesOfApps({ apps }: AppService, directory: Directory): Route[] {
  const guids = new Set(apps.map(({ guid }) => guid))
  const routes = new Set(apps.flatMap(({ guid }) => [...directory.routesOfApp(guid)]))
  return [...routes].filter(({ destinations }) => destinations.every(({ app }) => guids.has(app)))
}

/**
 * All ways to write a route that lead to it, in lower case: its host, and the names of the services of its own space that it answers for.
 */
export function namesOfRoute(
  { host, space, destinations }: Pick<Route, 'host' | 'space' | 'destinations'>,
  directory: Directory,
): string[] {
  const [first, ...others] = [...new Set(destinations.map(({ app }) => app))].map((guid) => servicesOf(guid, space, directory))
  const common = (first ?? []).filter((name) => others.every((names) => names.includes(name)))
  return [host, ...common.flatMap((name) => namesOfService(name, space, directory))]
}

/** The names of the services that an app is part of. */
function servicesOf(guid: string, space: string, directory: Directory): string[] {
  const app = directory.app(guid)
  if (app?.space !== space) return []
  const names = new Set([app.labels['app'], app.name].flatMap((name) => name?.toLowerCase() ?? []))
  return [...names].filter((name) => appsNamed(name, space, directory).some((one) => one.guid === guid))
}

/**
 * All ways to write the service NAME of a space: `NAME`, `NAME.SPACE`, `NAME.SPACE.ORGANIZATION`, with the space's guid, and as in
 * Kubernetes.
 */
export function namesOfService(name: string, guid: string, directory: Directory): string[] {
  const space = directory.space(guid)
  const spaces = [guid, ...(space ? [space.name, `${space.name}.${space.organization}`] : [])].map((written) =>
    `${name}.${written}`.toLowerCase(),
  )
  return [name, ...spaces.flatMap((written) => [written, `${written}.svc`, `${written}.svc.cluster.local`])]
}

/** Whether an app has all the labels of a subset. */
export function selects(labels: Record<string, string> | undefined, { labels: own }: Pick<App, 'labels'>): boolean {
  return Object.entries(labels ?? {}).every(([name, value]) => own[name] === value)
}
