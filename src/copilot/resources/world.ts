import { normalizeHost } from '../../mesh/host.ts'
import type { World } from '../../mesh/istio/analyse.ts'
import { secretsNamed } from '../../mesh/istio/analyse-secrets.ts'
import { systemNamespace } from '../../mesh/istio/kinds.ts'
import type { Resource, ServiceEntry, VirtualServiceSpec } from '../../mesh/istio/types.ts'
import { resourceKey, secretKey, type App, type Route, type Secret } from '../../mesh/records.ts'
import type { Keyed, Store } from '../store/store.ts'
import { unique } from '../views/related.ts'

/** Most routes beneath one wildcard of the operator's that are looked at. */
const mostBeneath = 1000

/**
 * What some resources may refer to, read at once: all that was applied in their namespaces and by the operator, the apps and routes of
 * their spaces, and whatever else they name. `changes` are laid over what is stored, as they would be after being applied; null is one that
 * goes.
 */
export async function loadWorld(store: Store, resources: Resource[], changes: Map<string, Resource | null> = new Map()): Promise<World> {
  const namespaces = unique([systemNamespace, ...resources.map(({ metadata }) => metadata.namespace)])
  const stored = (await Promise.all(namespaces.map((namespace) => store.resources({ namespace })))).flat()
  const all = new Map(stored.map(({ key, value }) => [key, JSON.parse(value) as Resource]))
  for (const [key, resource] of changes) {
    if (resource) all.set(key, { ...resource, metadata: { ...resource.metadata, createdAt: all.get(key)?.metadata.createdAt ?? '' } })
    else all.delete(key)
  }
  const hosts = unique([...resources, ...all.values()].flatMap(hostsOf))
  const spaces = await readSpaces(store, namespaces, hosts)
  const guids = [...spaces.keys()]
  const routes = await readRoutes(store, guids, hosts, namespaces.includes(systemNamespace) ? resources : [])
  const called = new Set(resources.flatMap(hostsOf))
  const owners = unique([...guids, ...routes.filter(({ value }) => called.has(value.host)).map(({ value }) => value.space)])
  const others = owners.filter((guid) => !namespaces.includes(guid))
  const foreign = [
    ...(await readDestinationRules(store, others)),
    ...(resources.some(({ kind }) => kind === 'ServiceEntry') ? await readServiceEntries(store, namespaces) : []),
  ]
  for (const resource of foreign) all.set(resourceKey(resource), resource)
  const strange = unique([...others, ...foreign.map(({ metadata }) => metadata.namespace)])
  for (const [guid, space] of await readSpaces(store, strange, [])) spaces.set(guid, space)
  const apps = await store.list('app', { space: guids })
  const guests = unique(routes.flatMap(({ value }) => value.destinations.map(({ app }) => app))).filter(
    (guid) => !apps.some(({ key }) => key === guid),
  )
  apps.push(...(await store.list('app', { keys: guests })))
  const secrets = await store.list('secret', { keys: unique([...all.values()].flatMap(secretKeys)) })
  return new LoadedWorld([...all.values()], spaces, routes, apps, secrets)
}

interface NamedSpace {
  name: string
  organization: string
}

class LoadedWorld implements World {
  readonly #resources: Map<string, Resource[]>
  readonly #spaces: Map<string, NamedSpace>
  readonly #routes: Route[]
  readonly #hosts: Map<string, Route[]>
  readonly #apps: Map<string, App>
  readonly #appsOf: Map<string, [string, App][]>
  readonly #secrets: Map<string, Secret>

  constructor(
    resources: Resource[],
    spaces: Map<string, NamedSpace>,
    routes: Keyed<'route'>[],
    apps: Keyed<'app'>[],
    secrets: Keyed<'secret'>[],
  ) {
    this.#resources = Map.groupBy(resources, ({ metadata }) => metadata.namespace)
    this.#spaces = spaces
    this.#routes = routes.map(({ value }) => value)
    this.#hosts = Map.groupBy(this.#routes, ({ host }) => host)
    this.#apps = new Map(apps.map(({ key, value }) => [key, value]))
    this.#appsOf = Map.groupBy(this.#apps, ([, { space }]) => space)
    this.#secrets = new Map(secrets.map(({ key, value }) => [key, value]))
  }

  resourcesOf(namespace: string): Resource[] {
    return this.#resources.get(namespace) ?? []
  }

  routesOfHost(host: string): Route[] {
    return this.#hosts.get(host) ?? []
  }

  routesBeneath(wildcard: string): Route[] {
    return this.#routes.filter(({ host }) => wildcard === '*' || host === wildcard || host.endsWith(wildcard.slice(1)))
  }

  routesOfApp(guid: string): Route[] {
    return this.#routes.filter(({ destinations }) => destinations.some(({ app }) => app === guid))
  }

  app(guid: string): App | undefined {
    return this.#apps.get(guid)
  }

  appsCalled(space: string, name: string): [string, App][] {
    return (this.#appsOf.get(space) ?? []).filter(([, app]) => app.name.toLowerCase() === name || app.labels['app']?.toLowerCase() === name)
  }

  space(guid: string): NamedSpace | undefined {
    return this.#spaces.get(guid)
  }

  spacesNamed(name: string, organization?: string): string[] {
    return [...this.#spaces]
      .filter(
        ([, space]) =>
          space.name.toLowerCase() === name && (organization === undefined || space.organization.toLowerCase() === organization),
      )
      .map(([guid]) => guid)
  }

  serviceEntries(host: string): ServiceEntry[] {
    const all = [...this.#resources.values()].flat().filter((one) => one.kind === 'ServiceEntry')
    return all.filter(({ spec }) => spec.hosts.some((own) => normalizeHost(own) === host))
  }

  secret(namespace: string, name: string): Secret | undefined {
    return this.#secrets.get(`${namespace}/${name}`)
  }
}

/** The spaces that are namespaces, and those that `NAME.SPACE` could mean. */
async function readSpaces(store: Store, namespaces: string[], hosts: string[]): Promise<Map<string, NamedSpace>> {
  const found = await store.list('space', { keys: namespaces })
  const parts = unique(hosts.flatMap((host) => host.split('.')[1] ?? []))
  for (const name of parts) found.push(...(await store.list('space', { name })))
  found.push(...(await store.list('space', { keys: parts })))
  const organizations = new Map(
    (await store.list('organization', { keys: unique(found.map(({ value }) => value.organization)) })).map(({ key, value }) => [
      key,
      value.name,
    ]),
  )
  return new Map(found.map(({ key, value }) => [key, { name: value.name, organization: organizations.get(value.organization) ?? '' }]))
}

/** What spaces say of their services, which rules of others may send to. */
async function readDestinationRules(store: Store, spaces: string[]): Promise<Resource[]> {
  const stored = await Promise.all(spaces.map((namespace) => store.resources({ namespace, kind: 'destinationrule' })))
  return stored.flat().map(({ value }) => JSON.parse(value) as Resource)
}

/** The ServiceEntries of other spaces, which apps everywhere may meet. */
async function readServiceEntries(store: Store, namespaces: string[]): Promise<Resource[]> {
  const entries = (await store.resources({ kind: 'serviceentry' })).map(({ value }) => JSON.parse(value) as Resource)
  return entries.filter(({ metadata }) => !namespaces.includes(metadata.namespace))
}

async function readRoutes(store: Store, spaces: string[], hosts: string[], resources: Resource[]): Promise<Keyed<'route'>[]> {
  const found = [...(await store.list('route', { space: spaces })), ...(await store.list('route', { host: hosts }))]
  const wildcards = resources
    .filter(({ metadata }) => metadata.namespace === systemNamespace)
    .flatMap(hostsOf)
    .filter((host) => host.startsWith('*.'))
  for (const wildcard of unique(wildcards))
    found.push(...(await store.list('route', { domain: wildcard.slice(2) }, { limit: mostBeneath })))
  return [...new Map(found.map((record) => [record.key, record])).values()]
}

/** Every host that a resource names, as it is written where it may be a name, and in normal form. */
function hostsOf(resource: Resource): string[] {
  const hosts = resource.kind === 'DestinationRule' ? [resource.spec.host] : resource.kind === 'Gateway' ? [] : (resource.spec.hosts ?? [])
  const all = resource.kind === 'VirtualService' ? [...hosts, ...destinations(resource.spec)] : hosts
  return all.flatMap((host) => [host, normalizeHost(host)])
}

function destinations({ http = [], tls = [], tcp = [] }: VirtualServiceSpec): string[] {
  const routed = [...http, ...tls, ...tcp].flatMap(({ route = [] }) => route.map(({ destination }) => destination))
  const mirrored = http.flatMap(({ mirror, mirrors = [] }) => [mirror, ...mirrors.map(({ destination }) => destination)])
  return [...routed, ...mirrored].flatMap((destination) => destination?.host ?? [])
}

const secretKeys = (resource: Resource): string[] => secretsNamed(resource).map(({ name }) => secretKey(resource.metadata.namespace, name))
