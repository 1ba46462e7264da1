import { messageOf } from '../../common/problem.ts'
import { typeUrls, type Resource, type ResourceUpdate } from '../../common/xds/resources.ts'
import type { Change, Route } from '../../mesh/records.ts'
import type { Fault } from '../model/fault.ts'
import { Model, type Touched } from '../model/model.ts'
import { Relation } from '../model/relation.ts'
import { servingOf } from '../model/serving.ts'
import { routePolicy } from '../rules/clusters.ts'
import { NamedHosts } from '../rules/named-hosts.ts'
import { name } from '../model/names.ts'
import { ClusterMaker } from './cluster.ts'
import { endpointsOf } from './endpoints.ts'
import { RuleTranslator } from './rules/translator.ts'
import type { TranslationSettings } from './settings.ts'
import { sessionOf } from './sticky-sessions.ts'
import { traitsOf, type RouteTraits } from './traits.ts'

/** The model and what it is in xDS, kept in step: a change translates again only what it touches. */
export class Translator {
  readonly model = new Model()
  readonly settings: TranslationSettings
  /** What hosts with rules become. */
  readonly rules: RuleTranslator
  readonly #clusters: ClusterMaker
  /** App → the routes that send to it, or did. */
  readonly #routesOfApps = new Relation()
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
    const list = [...changes]
    const touched = this.model.apply(list)
    const update = this.rules.apply(touched)
    const routes = new Set([...touched.routes.keys(), ...this.#ruled(touched)])
    for (const key of routes) this.#translate(key, update, true)
    for (const key of touched.endpoints) if (!routes.has(key)) this.#translate(key, update, false)
    for (const { kind, key } of list) if (kind === 'app') this.#followApp(key, update)
    return update
  }

  /** The route configurations, which there are even where no record ever was. */
  get constants(): Resource[] {
    return this.rules.configurations
  }

  /** Routes whose cluster a DestinationRule shapes, or did. */
  #ruled(touched: Touched): string[] {
    return [...this.#named.touched(touched, ['DestinationRule'])].flatMap((host) => [...this.model.keysOf(name.host(host))])
  }

  /** The records that cannot be served as they are now, each with the reason; what was last good of them stays in force. */
  get faults(): Fault[] {
    return [...this.model.faults.values(), ...this.#failed.values(), ...this.rules.faults]
  }

  /** What is wrong with a route's newest record. */
  faultOf(key: string): Fault | undefined {
    return this.model.faults.get(`route ${key}`) ?? this.#failed.get(key)
  }

  /** What an app's record says of its sessions concerns the routes that send to it. */
  #followApp(app: string, update: ResourceUpdate): void {
    for (const key of Array.from(this.#routesOfApps.of(app))) {
      if (this.model.get('route', key)?.destinations.some((destination) => destination.app === app)) this.#translate(key, update, true)
      else this.#routesOfApps.remove(app, key)
    }
  }

  /** What a route's cluster must be like, by its own record and those of its apps. */
  traitsOf(key: string, route: Route): RouteTraits {
    return { ...traitsOf(key, route, this.settings, routePolicy(this.model, route)), session: sessionOf(route, this.settings, (app) => this.model.get('app', app)) }
  }

  #translate(key: string, update: ResourceUpdate, changed: boolean): void {
    this.#failed.delete(key)
    const route = this.model.get('route', key)
    if (!route) {
      for (const type of ['cluster', 'endpoint'] as const) update.removed.push({ typeUrl: typeUrls[type], name: key })
      return
    }
    try {
      for (const { app } of route.destinations) this.#routesOfApps.add(app, key)
      const traits = this.traitsOf(key, route)
      const cluster = changed ? [this.#clusters.clusterOf(traits)] : []
      update.changed.push(...cluster, endpointsOf(traits, servingOf(route, this.model).servers))
    } catch (error) {
      this.#failed.set(key, { kind: 'route', key, reason: messageOf(error) })
    }
  }
}
