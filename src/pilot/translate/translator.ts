import { messageOf } from '../../common/problem.ts'
import { typeUrls, type Resource, type ResourceUpdate } from '../../common/xds/resources.ts'
import type { Change, Route } from '../../mesh/records.ts'
import type { Fault } from '../model/fault.ts'
import { Model } from '../model/model.ts'
import { Relation } from '../model/relation.ts'
import { servingOf } from '../model/serving.ts'
import { ClusterMaker } from './cluster.ts'
import { endpointsOf } from './endpoints.ts'
import { routeConfigurations } from './route-configuration.ts'
import type { TranslationSettings } from './settings.ts'
import { sessionOf } from './sticky-sessions.ts'
import { traitsOf, type RouteTraits } from './traits.ts'

/** The model and what it is in xDS, kept in step: a change translates again only what it touches. */
export class Translator {
  readonly model = new Model()
  readonly settings: TranslationSettings
  /** Resources that no record changes. */
  readonly constants: Resource[]
  readonly #clusters: ClusterMaker
  /** App → the routes that send to it, or did. */
  readonly #routesOfApps = new Relation()
  /** Routes that could not be translated the last time, by key. */
  readonly #failed = new Map<string, Fault>()

  constructor(settings: TranslationSettings) {
    this.settings = settings
    this.constants = routeConfigurations({ settings })
    this.#clusters = new ClusterMaker({ settings })
  }

  /** Applies changes in their order and returns the resources they touch; of these some may be as they were. */
  apply(changes: Iterable<Change>): ResourceUpdate {
    const list = [...changes]
    const touched = this.model.apply(list)
    const update: ResourceUpdate = { changed: [], removed: [] }
    for (const key of touched.routes) this.#translate(key, update, true)
    for (const key of touched.endpoints) if (!touched.routes.has(key)) this.#translate(key, update, false)
    for (const { kind, key } of list) if (kind === 'app') this.#followApp(key, update)
    return update
  }

  /** The records that cannot be served as they are now, each with the reason; what was last good of them stays in force. */
  get faults(): Fault[] {
    return [...this.model.faults.values(), ...this.#failed.values()]
  }

  /** What is wrong with a route's newest record. */
  faultOf(key: string): Fault | undefined {
    return this.model.faults.get(`route ${key}`) ?? this.#failed.get(key)
  }

  /** What an app's record says of its sessions concerns the routes that send to it. */
  #followApp(app: string, update: ResourceUpdate): void {
    for (const key of [...this.#routesOfApps.of(app)]) {
      if (this.model.get('route', key)?.destinations.some((destination) => destination.app === app)) this.#translate(key, update, true)
      else this.#routesOfApps.remove(app, key)
    }
  }

  /** What a route's cluster must be like, by its own record and those of its apps. */
  traitsOf(key: string, route: Route): RouteTraits {
    return { ...traitsOf(key, route, this.settings), session: sessionOf(route, this.settings, (app) => this.model.get('app', app)) }
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
