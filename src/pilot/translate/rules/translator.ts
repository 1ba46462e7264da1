import { Multimap } from '../../../common/multimap.ts'
import { messageOf } from '../../../common/problem.ts'
import { typeUrls, type Resource, type ResourceUpdate } from '../../../common/xds/resources.ts'
import { resourceKey, type App, type Exposure, type Route } from '../../../mesh/records.ts'
import type { Fault } from '../../model/fault.ts'
import type { Source } from '../../../mesh/rules/source.ts'
import type { Model, Touched } from '../../model/model.ts'
import { fact } from '../../../mesh/rules/names.ts'
import { servingOf } from '../../model/serving.ts'
import { isRuleCluster } from '../../../mesh/rules/cluster-name.ts'
import { clusterSources, ruleCluster, type RuleCluster } from '../../rules/clusters.ts'
import { clientCredentials } from '../../rules/client-credentials.ts'
import type { Credential } from '../../rules/credentials.ts'
import { Degradations } from '../../rules/degradations.ts'
import { gateOf } from '../../../mesh/rules/gate.ts'
import { gatewayChains, type GatewayChain } from '../../rules/gateway-chains.ts'
import { externalOf } from '../../rules/egress.ts'
import { NamedHosts } from '../../rules/named-hosts.ts'
import { rateLimitsFor } from '../../rules/rate-limits.ts'
import { nowhere, ruleHostOf, type RuleHost } from '../../rules/rule-host.ts'
import { unreachedBy } from '../../rules/reached.ts'
import { Tracker } from '../../rules/tracker.ts'
import { virtualServicesFor } from '../../../mesh/rules/virtual-services.ts'
import type { ClusterMaker } from '../cluster.ts'
import { endpointsOf } from '../endpoints.ts'
import { entryCluster } from '../entry-cluster.ts'
import type { Context } from '../feature.ts'
import { exposures } from '../route-configuration.ts'
import { inSlices } from '../slices.ts'
import { sessionOf } from '../sticky-sessions.ts'
import { traitsOf } from '../traits.ts'
import { RouteConfigurations } from './configurations.ts'
import { healthCheckOf } from '../health-checks.ts'
import { namingOf, unnamed } from './naming.ts'
import { virtualHostOf } from './virtual-host.ts'

interface GatewayUnit {
  chains: GatewayChain[]
  clusters: Set<string>
}

interface HostUnit {
  rules: RuleHost
  virtualHost: Uint8Array
  clusters: Set<string>
}

/**
 * Translates rules: a virtual host for each host that has some, and the clusters that only rules send to. Each is a unit that is made again
 * when something that it read has changed.
 */
export class RuleTranslator {
  readonly #model: Model
  readonly #context: Context
  readonly #clusterMaker: ClusterMaker
  readonly #configurations: RouteConfigurations
  readonly #tracker: Tracker
  readonly #named: NamedHosts
  /** By exposure and host, as a route's key. */
  readonly #hosts = new Map<string, HostUnit>()
  /** Wildcard hosts with rules: few, and asked for at every change. */
  readonly #wildcards = new Map<Exposure, Set<string>>(exposures.map((exposure) => [exposure, new Set()]))
  readonly #gateways = new Map<string, GatewayUnit>()
  /** Cluster → what it needs of copilot's secrets. */
  readonly #credentials = new Map<string, Credential[]>()
  #gatewayRevision = 0
  /** Cluster of rules → the hosts, and Gateways, that send to it. */
  readonly #users = new Multimap()
  /** Units that could not be translated; the last good ones hold. */
  readonly #failed = new Map<string, Fault>()
  /** What of resources cannot be served. */
  readonly degradations = new Degradations()

  constructor(model: Model, clusterMaker: ClusterMaker, context: Context) {
    this.#model = model
    this.#clusterMaker = clusterMaker
    this.#context = context
    this.#configurations = new RouteConfigurations(context)
    this.#tracker = new Tracker(model)
    model.readBy((name) => this.#tracker.isRead(name))
    this.#named = new NamedHosts(model)
  }

  /** The route configurations as they are now. */
  get configurations(): Resource[] {
    return this.#configurations.all()
  }

  /** The virtual hosts of hosts with rules in a route configuration, encoded. */
  virtualHosts(name: string): ReadonlyMap<string, Uint8Array> {
    return this.#configurations.ruled(name)
  }

  /** A route configuration with other virtual hosts than it has. */
  configurationOf(name: string, virtualHosts: ReadonlyMap<string, Uint8Array>): Resource {
    return this.#configurations.with(name, virtualHosts)
  }

  /** Keys of the resources whose rules a host has. */
  sourcesOfHost(exposure: Exposure, host: string): string[] {
    return this.#sourcesOfHost(`${exposure}/${host}`)
  }

  get faults(): Fault[] {
    return [...this.#failed.values()]
  }

  /** The number of hosts with rules. */
  get size(): number {
    return this.#hosts.size
  }

  hosts(): RuleHost[] {
    return [...this.#hosts.values()].map(({ rules }) => rules)
  }

  /** Keys of the resources that the rules of a cluster, or of a route configuration's hosts, come from. */
  sourcesOf(typeUrl: string, name: string): string[] {
    if (typeUrl === typeUrls.cluster || typeUrl === typeUrls.endpoint)
      return [...new Set([...clusterSources(this.#model, name), ...[...this.#users.get(name)].flatMap((key) => this.#sourcesOfHost(key))])]
    return []
  }

  /** What all Gateways ask of listeners, the oldest Gateway's first. */
  gatewayChains(): GatewayChain[] {
    const age = (key: string): string => `${this.#model.get('resource', key)?.metadata.createdAt} ${key}`
    const keys = [...this.#gateways.keys()].sort((a, b) => (age(a) < age(b) ? -1 : 1))
    return keys.flatMap((key) => this.#gateways.get(key)!.chains)
  }

  /** Another number whenever `gatewayChains` or `clientCredentials` gives something else. */
  get gatewayRevision(): number {
    return this.#gatewayRevision
  }

  #sourcesOfHost(key: string): string[] {
    if (this.#gateways.has(key)) return [key]
    const made = this.#hosts.get(key)
    return made ? sourcesOf(made.rules) : []
  }

  host(exposure: Exposure, host: string): RuleHost | undefined {
    return this.#hosts.get(`${exposure}/${host}`)?.rules
  }

  *steps(touched: Touched): Generator<void, ResourceUpdate> {
    const update: ResourceUpdate = { changed: [], removed: [] }
    const units = new Set(this.#tracker.readers(touched.names))
    for (const host of this.#candidates(touched)) for (const exposure of exposures) units.add(`host ${exposure}/${host}`)
    for (const name of touched.names) if (name.startsWith('resource ')) units.add(name)
    for (const name of touched.names) if (name.startsWith('resource gateway/')) units.add(name.replace(/^resource /, 'gateway '))
    const before = new Map(exposures.map((exposure) => [exposure, this.#wildcardsOf(exposure).join(' ')]))
    const clusters = new Set([...units].filter((unit) => unit.startsWith('cluster ')).map((unit) => unit.slice('cluster '.length)))
    yield* inSlices(units, (unit) => {
      if (unit.startsWith('host ')) this.#makeHost(unit.slice('host '.length), clusters)
      if (unit.startsWith('gateway ')) this.#makeGateway(unit.slice('gateway '.length), clusters)
      if (unit.startsWith('resource ')) this.#judge(unit)
    })
    yield* inSlices(clusters, (name) => this.#makeCluster(name, update))
    const hosts = this.#renamed(touched)
    for (const exposure of exposures) {
      this.#name(exposure, hosts)
      if (before.get(exposure) !== this.#wildcardsOf(exposure).join(' ')) this.#name(exposure, this.#routeHosts())
    }
    update.changed.push(...this.#configurations.changed())
    return update
  }

  /** Hosts that may have rules by what was touched; those that have some already are found by what they read. */
  #candidates(touched: Touched): Set<string> {
    const hosts = this.#named.written(touched, ['VirtualService', 'ServiceEntry', 'Gateway', 'RateLimit'])
    for (const host of this.#named.left(touched)) hosts.add(host)
    for (const key of new Set([...touched.routes.keys(), ...this.#named.renamed(touched), ...this.#named.reached(touched)])) {
      const route = this.#model.get('route', key)
      if (route && this.#hasRules(route)) hosts.add(route.host)
    }
    return hosts
  }

  #hasRules(route: Route): boolean {
    const model = this.#model
    return (
      (model.mayName('VirtualService', route) && virtualServicesFor(model, route).length > 0) ||
      (model.mayName('Gateway', route) && gateOf(model, route) !== undefined) ||
      (model.mayName('RateLimit', route) && rateLimitsFor(model, route, []).length > 0)
    )
  }

  #makeHost(key: string, clusters: Set<string>): void {
    const unit = `host ${key}`
    const [exposure, host] = [key.slice(0, 3) as Exposure, key.slice(4)]
    const before = this.#hosts.get(key)
    let rules: RuleHost | undefined
    try {
      rules = this.#tracker.run(unit, (view) => ruleHostOf(view, exposure, host))
      this.degradations.set(unit, [...(rules?.degraded ?? []), ...this.#uncounted(rules)])
      this.#failed.delete(unit)
      const made = rules && { rules, virtualHost: virtualHostOf(rules, this.#context), clusters: clustersOf(rules) }
      if (made) this.#hosts.set(key, made)
      else {
        this.#hosts.delete(key)
        this.#tracker.forget(unit)
      }
      if (host.startsWith('*.')) this.#wildcards.get(exposure)![made ? 'add' : 'delete'](host)
      this.#use(key, before?.clusters, made?.clusters, clusters)
      this.#configurations.set(exposure, host, made?.virtualHost)
      if (!made !== !before) this.#name(exposure, [host])
    } catch (error) {
      this.#fail(unit, { kind: 'route', key, reason: messageOf(error) }, rules ? sourcesOf(rules) : [])
    }
  }

  /** Limits that nobody counts. */
  #uncounted(rules: RuleHost | undefined): { key: string; reason: string }[] {
    if (this.#context.settings.rateLimitService) return []
    const global = rules?.limits.filter(({ spec }) => spec.global) ?? []
    return global.map(({ source }) => ({
      key: source,
      reason: 'spec.global: the operator has set no rate limit service; leave it out, and each router counts by itself',
    }))
  }

  /** Notes which clusters a host or Gateway sends to now. */
  #use(user: string, before: Set<string> | undefined, now: Set<string> | undefined, clusters: Set<string>): void {
    for (const name of now ?? []) {
      if (!before?.has(name)) clusters.add(name)
      this.#users.add(name, user)
    }
    for (const name of before ?? []) {
      if (now?.has(name)) continue
      this.#users.delete(name, user)
      clusters.add(name)
    }
  }

  #makeGateway(key: string, clusters: Set<string>): void {
    const unit = `gateway ${key}`
    const before = this.#gateways.get(key)
    const degraded: { key: string; reason: string }[] = []
    try {
      const chains = this.#tracker.run(unit, (view) => {
        const resource = view.get('resource', key)
        return resource?.kind === 'Gateway' ? gatewayChains(view, resource, this.#context.settings.portLeases, degraded) : undefined
      })
      const made = chains && {
        chains,
        clusters: new Set(chains.flatMap(({ tcp = [] }) => tcp.map(({ cluster }) => cluster)).filter(isRuleCluster)),
      }
      this.degradations.set(unit, degraded)
      this.#failed.delete(unit)
      if (made) this.#gateways.set(key, made)
      else {
        this.#gateways.delete(key)
        this.#tracker.forget(unit)
      }
      this.#use(key, before?.clusters, made?.clusters, clusters)
      if (JSON.stringify(made?.chains) !== JSON.stringify(before?.chains)) this.#gatewayRevision++
    } catch (error) {
      this.#fail(unit, { kind: 'resource', key, reason: messageOf(error) }, [key])
    }
  }

  #makeCluster(name: string, update: ResourceUpdate): void {
    const unit = `cluster ${name}`
    try {
      const cluster = this.#users.has(name) ? this.#tracker.run(unit, (view) => this.#resources(view, name)) : undefined
      this.#failed.delete(unit)
      if (!cluster) {
        this.degradations.set(unit, [])
        this.#show(name, [])
      }
      if (cluster) {
        update.changed.push(...cluster)
        return
      }
      if (!this.#users.has(name)) this.#tracker.forget(unit)
      for (const type of ['cluster', 'endpoint'] as const) update.removed.push({ typeUrl: typeUrls[type], name })
    } catch (error) {
      this.#fail(unit, { kind: 'resource', key: name, reason: messageOf(error) }, clusterSources(this.#model, name))
    }
  }

  #external(view: Source, cluster: Extract<RuleCluster, { kind: 'entry' }>): Resource[] {
    const { name, service, subset, port } = cluster
    const external = externalOf(view, service.entry, {
      host: service.host,
      labels: subset,
      port,
      allowed: this.#context.settings.egressAllowed,
    })
    const faults: string[] = []
    const credentials = clientCredentials(view, cluster.policy?.tls, cluster.rulesOf, faults)
    const rules = clusterSources(view, name).filter((key) => key.startsWith('destinationrule/'))
    this.degradations.set(`cluster ${name}`, [
      ...external.faults.map((reason) => ({ key: resourceKey(service.entry), reason })),
      ...faults.flatMap((reason) => rules.map((key) => ({ key, reason: `spec.trafficPolicy.tls.credentialName: ${reason}` }))),
    ])
    this.#show(name, Object.values(credentials))
    // Without what it is to be asked with, it is not asked.
    return entryCluster(cluster, { endpoints: faults.length ? [] : external.endpoints }, credentials, this.#context)
  }

  /** Notes what a cluster needs of copilot's secrets. */
  #show(cluster: string, credentials: Credential[]): void {
    if (JSON.stringify(this.#credentials.get(cluster) ?? []) === JSON.stringify(credentials)) return
    if (credentials.length) this.#credentials.set(cluster, credentials)
    else this.#credentials.delete(cluster)
    this.#gatewayRevision++
  }

  /** What clusters of external services need of copilot's secrets. */
  clientCredentials(): Credential[] {
    return [...new Map([...this.#credentials.values()].flat().map((credential) => [credential.name, credential])).values()]
  }

  /** Names of external services of which the addresses are needed: every resource's that says so and is in use. */
  *namesToResolve(): Generator<string> {
    for (const resource of this.#model.all('resource').values()) {
      if (resource.kind !== 'ServiceEntry') continue
      const names = [...(resource.spec.hosts ?? []), ...(resource.spec.endpoints ?? []).map(({ address = '' }) => address)]
      for (const host of names) if (this.#tracker.isRead(fact.address(host))) yield host
    }
  }

  /** Says of a resource what it was accepted for and does not reach. */
  #judge(unit: string): void {
    const key = unit.slice('resource '.length)
    const exists = this.#model.get('resource', key) !== undefined
    const found = exists ? this.#tracker.run(unit, (view) => unreachedBy(view, view.get('resource', key)!)) : []
    if (!exists) this.#tracker.forget(unit)
    this.degradations.set(
      unit,
      found.map((reason) => ({ key, reason })),
    )
  }

  #fail(unit: string, fault: Fault, sources: string[]): void {
    this.#failed.set(unit, fault)
    this.degradations.set(
      unit,
      sources.map((key) => ({ key, reason: fault.reason })),
    )
  }

  #resources(view: Parameters<typeof ruleCluster>[0], name: string): Resource[] | undefined {
    const cluster = ruleCluster(view, name)
    if (!cluster) return undefined
    if (cluster.kind === 'entry') return this.#external(view, cluster)
    const { space, destinations, route } = cluster
    const traits = traitsOf(
      name,
      { space, destinations, guid: route?.guid, options: route?.options ?? {} },
      this.#context.settings,
      cluster.policy,
    )
    const appOf = (app: string): App | undefined => view.get('app', app)
    const healthCheck = healthCheckOf(
      destinations.map(({ app }) => appOf(app)),
      traits,
      this.#context.settings,
    )
    const session = sessionOf({ path: route?.path, labels: route?.labels, destinations }, this.#context.settings, appOf)
    const endpoints = endpointsOf(traits, servingOf({ destinations }, view).servers, {
      ...this.#context,
      labelsOf: (app) => appOf(app)?.labels,
    })
    return [this.#clusterMaker.clusterOf({ ...traits, session, healthCheck }), endpoints]
  }

  /** Names hosts of the platform in route configurations, or no longer. */
  #name(exposure: Exposure, hosts: Iterable<string>): void {
    const wildcards = this.#wildcardsOf(exposure)
    for (const host of hosts) {
      const ruled = this.#hosts.has(`${exposure}/${host}`)
      const naming = ruled ? unnamed : namingOf(this.#model, this.#context.settings, exposure, host, wildcards)
      this.#configurations.name(exposure, host, naming)
    }
  }

  /** Hosts that may be named otherwise than before: of which a route changed, or an app. */
  #renamed(touched: Touched): Set<string> {
    const hosts = new Set(touched.routes.values())
    for (const key of this.#named.renamed(touched)) hosts.add(this.#model.get('route', key)!.host)
    return hosts
  }

  *#routeHosts(): Generator<string> {
    for (const { host } of this.#model.all('route').values()) yield host
  }

  #wildcardsOf(exposure: Exposure): string[] {
    return [...this.#wildcards.get(exposure)!]
  }
}

const sourcesOf = ({ scopes, limits }: RuleHost): string[] => [
  ...new Set([...limits, ...scopes.flatMap(({ rules }) => rules ?? [])].map(({ source }) => source)),
]

function clustersOf({ scopes }: RuleHost): Set<string> {
  const rules = scopes.flatMap(({ rules }) => rules ?? [])
  const names = rules.flatMap(({ targets, mirrors }) => [...targets, ...mirrors].map(({ cluster }) => cluster))
  return new Set(names.filter((name) => isRuleCluster(name) && name !== nowhere))
}
