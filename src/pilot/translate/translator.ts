import { messageOf } from '../../common/problem.ts'
import { typeUrls, type Resource, type ResourceUpdate } from '../../common/xds/resources.ts'
import { routeFault } from '../../mesh/matching.ts'
import { routeKey, type Change, type Route } from '../../mesh/records.ts'
import { Model } from '../model/model.ts'
import { servingOf } from '../model/serving.ts'
import { clusterOf } from './cluster.ts'
import { endpointsOf } from './endpoints.ts'
import { routeConfigurations } from './route-configuration.ts'
import type { TranslationSettings } from './settings.ts'
import { traitsOf } from './traits.ts'

/** A record that cannot be translated, and why; what was last good of it stays in force. */
export interface Fault {
  kind: 'route'
  key: string
  reason: string
}

/** The model and what it is in xDS, kept in step: a change translates again only what it touches. */
export class Translator {
  readonly model = new Model()
  readonly settings: TranslationSettings
  /** Resources that no record changes. */
  readonly constants: Resource[]
  /** By the key of the record. */
  readonly faults = new Map<string, Fault>()
  /** Each route as it was last found good. */
  readonly #good = new Map<string, Route>()

  constructor(settings: TranslationSettings) {
    this.settings = settings
    this.constants = routeConfigurations({ settings })
  }

  /** Applies changes in their order and returns the resources they touch; of these some may be as they were. */
  apply(changes: Iterable<Change>): ResourceUpdate {
    const touched = this.model.apply(changes)
    const update: ResourceUpdate = { changed: [], removed: [] }
    for (const key of touched.routes) this.#translate(key, update, true)
    for (const key of touched.endpoints) if (!touched.routes.has(key)) this.#translate(key, update, false)
    return update
  }

  /** The route as it is in force, which is the last good one where its record has a fault. */
  inForce(key: string): Route | undefined {
    return this.#good.get(key)
  }

  #translate(key: string, update: ResourceUpdate, changed: boolean): void {
    if (changed) {
      const record = this.model.get('route', key)
      this.faults.delete(key)
      if (!record) return this.#remove(key, update)
      const reason = routeKey(record) === key ? routeFault(record) : `its key should be ${routeKey(record)}`
      if (reason === undefined) this.#good.set(key, record)
      else this.faults.set(key, { kind: 'route', key, reason })
    }
    const route = this.#good.get(key)
    if (!route) return
    try {
      const traits = traitsOf(key, route, this.settings)
      const cluster = changed ? [clusterOf(traits, this)] : []
      update.changed.push(...cluster, endpointsOf(traits, servingOf(route, this.model).servers))
    } catch (error) {
      this.faults.set(key, { kind: 'route', key, reason: messageOf(error) })
    }
  }

  #remove(key: string, update: ResourceUpdate): void {
    this.#good.delete(key)
    for (const type of ['cluster', 'endpoint'] as const) update.removed.push({ typeUrl: typeUrls[type], name: key })
  }
}
