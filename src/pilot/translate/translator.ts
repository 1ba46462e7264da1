import { messageOf } from '../../common/problem.ts'
import { typeUrls, type Resource, type ResourceUpdate } from '../../common/xds/resources.ts'
import type { App, Change, Route } from '../../mesh/records.ts'
import type { Fault } from '../model/fault.ts'
import { Model, nothingTouched, type Touched } from '../model/model.ts'
import { servingOf } from '../model/serving.ts'
import { routePolicy } from '../rules/clusters.ts'
import { NamedHosts } from '../rules/named-hosts.ts'
import { name } from '../../mesh/rules/names.ts'
import { ClusterMaker } from './cluster.ts'
import { endpointsOf } from './endpoints.ts'
import { rateLimitService } from './rate-limit-service.ts'
import { healthCheckOf } from './health-checks.ts'
import { nowhereCluster } from './rules/nowhere.ts'
import { RuleTranslator } from './rules/translator.ts'
import type { TranslationSettings } from './settings.ts'
import { inSlices, slice } from './slices.ts'
import { sessionOf } from './sticky-sessions.ts'
import { traitsOf, type RouteTraits } from './traits.ts'

/** The model and what it is in xDS, kept in step: a change translates again only what it touches. */
export class Translator {
  readonly model = new Model()
  readonly settings: TranslationSettings
  /** What hosts with rules become. */
  readonly rules: RuleTranslator
  readonly #clusters: ClusterMaker
  readonly #named = new NamedHosts(this.model)
  /** Routes that could not be translated the last time, by key. */
  readonly #failed = new Map<string, Fault>()

  constructor(settings: TranslationSettings) {
    this.settings = settings
    this.#clusters = new ClusterMaker({ settings })
    this.rules = new RuleTranslator(this.model, this.#clusters, { settings })
  }

  /** Applies changes in their order and returns the resources they touch; of these some may be as they were. */
  apply(changes: Iterable<Change>): ResourceUpdate {
    const steps = this.steps([...changes])
    for (;;) {
      const { done, value } = steps.next()
      if (done) return value
    }
  }

  /**
   * The same a little at a time, so that other work gets its turn. What belongs together comes together: of a transaction, however large,
   * no rule is handed out before the subset that it names.
   */
  *steps(changes: Change[]): Generator<void, ResourceUpdate> {
    const touched = nothingTouched()
    for (let start = 0; start < changes.length; start += slice) {
      if (start) yield
      this.model.apply(changes.slice(start, start + slice), touched)
    }
    const update = yield* this.rules.steps(touched)
    const routes = new Set([...touched.routes.keys(), ...this.#ruled(touched)])
    yield* inSlices(routes, (key) => this.#translate(key, update, true))
    yield* inSlices(touched.endpoints, (key) => !routes.has(key) && this.#translate(key, update, false))
    return update
  }

  /** Notes what DNS has for the name of an external service, and returns the resources that this touches. */
  resolved(host: string, addresses: string[]): ResourceUpdate {
    const steps = this.rules.steps(this.model.resolved(host, addresses))
    for (;;) {
      const { done, value } = steps.next()
      if (done) return value
    }
  }

  /** The route configurations, and clusters that are no record's: there even where no record ever was. */
  get constants(): Resource[] {
    return [nowhereCluster, ...this.rules.configurations, ...rateLimitService(this.settings)]
  }

  /** Routes whose cluster a DestinationRule shapes, or did, and those of which an app is another now. */
  #ruled(touched: Touched): string[] {
    const written = [...this.#named.written(touched, ['DestinationRule'])].flatMap((host) => [...this.model.keysOf(name.host(host))])
    return [...written, ...this.#named.renamed(touched)]
  }

  /** The records that cannot be served as they are now, each with the reason; what was last good of them stays in force. */
  get faults(): Fault[] {
    return [...this.model.faults.values(), ...this.#failed.values(), ...this.rules.faults]
  }

  /** What is wrong with a route's newest record. */
  faultOf(key: string): Fault | undefined {
    return this.model.faults.get(`route ${key}`) ?? this.#failed.get(key)
  }

  /** What of a resource cannot be served, each a sentence. */
  degraded(key: string): string[] {
    const fault = this.model.faults.get(`resource ${key}`)
    return [...(fault ? [fault.reason] : []), ...this.rules.degradations.of(key)]
  }

  /** Keys of the resources that an xDS resource comes from. */
  sourcesOf(typeUrl: string, name: string): string[] {
    return this.rules.sourcesOf(typeUrl, name)
  }

  /** The secrets that Gateways and DestinationRules name and copilot has, by key, each with its version. */
  wantedSecrets(): Map<string, string> {
    const named = [
      ...this.rules.gatewayChains().flatMap(({ tls }) => (tls ? [...tls.keypairs, ...(tls.ca ? [tls.ca] : [])] : [])),
      ...this.rules.clientCredentials(),
    ]
    return new Map(
      named.flatMap((one): [string, string][] => {
        const version = 'secret' in one ? this.model.get('secret', one.secret)?.version : undefined
        return 'secret' in one && version !== undefined ? [[one.secret, version]] : []
      }),
    )
  }

  /** What a route's cluster must be like, by its own record and those of its apps. */
  traitsOf(key: string, route: Route): RouteTraits {
    const policy = this.model.mayName('DestinationRule', route) ? routePolicy(this.model, route) : undefined
    const traits = traitsOf(key, route, this.settings, policy)
    const appOf = (app: string): App | undefined => this.model.get('app', app)
    return {
      ...traits,
      session: sessionOf(route, this.settings, appOf),
      healthCheck: healthCheckOf(
        route.destinations.map(({ app }) => appOf(app)),
        traits,
        this.settings,
      ),
    }
  }

  #translate(key: string, update: ResourceUpdate, changed: boolean): void {
    this.#failed.delete(key)
    const route = this.model.get('route', key)
    if (!route) {
      for (const type of ['cluster', 'endpoint'] as const) update.removed.push({ typeUrl: typeUrls[type], name: key })
      return
    }
    try {
      const traits = this.traitsOf(key, route)
      const cluster = changed ? [this.#clusters.clusterOf(traits)] : []
      update.changed.push(
        ...cluster,
        endpointsOf(traits, servingOf(route, this.model).servers, {
          settings: this.settings,
          labelsOf: (app) => this.model.get('app', app)?.labels,
        }),
      )
    } catch (error) {
      this.#failed.set(key, { kind: 'route', key, reason: messageOf(error) })
    }
  }
}
