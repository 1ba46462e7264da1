import type { Change } from '../../mesh/records.ts'
import { typeUrls } from '../../common/xds/resources.ts'
import type { ClientStatus } from '../../common/xds/server.ts'
import type { RouteIsolation } from './isolation.ts'
import { unselected } from './selected.ts'
import type { Translator } from '../translate/translator.ts'

/** What pilot made of one resource. */
export interface ResourceState {
  /** The newest that pilot has read. */
  generation: number
  /** Whether every router has acknowledged all that it changed, and none refuses what comes of it. */
  programmed: boolean
  /** What of it cannot be served, a sentence. */
  degraded?: string
}

export interface ResourceStatusOptions {
  translator: Translator
  /** The hosts whose rules are refused, while all others of their route configuration hold. */
  isolation?: Pick<RouteIsolation, 'refusals' | 'has'>
  ads: {
    /** The number of the newest change of what routers are to have. */
    readonly epoch: number
    /** Up to which change all routers have answered; 0 without a router. */
    answered(): number
    routers(): ClientStatus[]
    /** The labels of each router. */
    labels(): Record<string, string>[]
  }
}

/** Follows each resource from its record until the routers have it. Telling what is new of many costs what is new of them. */
export class ResourceStatus {
  readonly #options: ResourceStatusOptions
  /** By key: its generation, and the change with which it was published. */
  readonly #published = new Map<string, { generation: number; epoch: number }>()
  /** Those of which something else may have to be said than was told last. */
  readonly #suspects = new Set<string>()
  /** What was told last, as JSON. */
  readonly #told = new Map<string, string>()
  #refusedBefore: Iterable<string> = []
  #answered = 0
  #labels: Record<string, string>[] = []

  constructor(options: ResourceStatusOptions) {
    this.#options = options
  }

  /** Told of records that are in the cache now. */
  published(changes: Change[]): void {
    const { epoch } = this.#options.ads
    for (const { kind, key, value } of changes) {
      if (kind !== 'resource') continue
      this.#suspects.add(key)
      if (value === null) this.#published.delete(key)
      else this.#published.set(key, { generation: value.metadata.generation, epoch })
    }
  }

  /** The state of every resource, by key. */
  all(): Record<string, ResourceState> {
    this.#told.clear()
    for (const key of this.#published.keys()) this.#suspects.add(key)
    return this.changes() as Record<string, ResourceState>
  }

  /** The states that are other than they were told last, by key; null for resources that are gone. */
  changes(): Record<string, ResourceState | null> {
    const { translator, ads } = this.#options
    const answered = ads.answered()
    // A router that came, or came back, may lack what all had.
    if (answered < this.#answered) for (const key of this.#published.keys()) this.#suspects.add(key)
    this.#answered = answered
    const labels = ads.labels()
    if (JSON.stringify(labels) !== JSON.stringify(this.#labels))
      for (const key of this.#published.keys()) if (key.startsWith('gateway/')) this.#suspects.add(key)
    this.#labels = labels
    const refused = this.#refused()
    const stuck = this.#stuck()
    for (const key of [...refused.keys(), ...this.#refusedBefore, ...translator.rules.degradations.touched()]) this.#suspects.add(key)
    this.#refusedBefore = refused.keys()

    const changed: Record<string, ResourceState | null> = {}
    for (const key of this.#suspects) {
      const state = this.#stateOf(key, answered, refused.get(key) ?? [], stuck)
      const text = JSON.stringify(state)
      if (text !== (this.#told.get(key) ?? 'null')) changed[key] = state
      if (state) this.#told.set(key, text)
      else this.#told.delete(key)
      // One that waits for routers is looked at again.
      if (!state || state.programmed || refused.has(key)) this.#suspects.delete(key)
    }
    return changed
  }

  #stateOf(key: string, answered: number, refusals: string[], stuck: string[]): ResourceState | null {
    const published = this.#published.get(key)
    if (!published) return null
    const waits = published.epoch > answered
    const resource = this.#options.translator.model.get('resource', key)
    const unserved = resource?.kind === 'Gateway' ? unselected(resource.spec, this.#labels) : undefined
    const reasons = [
      ...this.#options.translator.degraded(key),
      ...(unserved === undefined ? [] : [unserved]),
      ...refusals,
      ...(waits ? stuck : []),
    ]
    return {
      generation: published.generation,
      programmed: !waits && !refusals.length && unserved === undefined,
      ...(reasons.length && { degraded: reasons.join('; ') }),
    }
  }

  /** Why routers have none of what is new: they refuse a route configuration, and nobody can tell for which host. */
  #stuck(): string[] {
    const { ads, isolation } = this.#options
    return ads
      .routers()
      .flatMap(({ name: router, refused }) =>
        refused
          .filter(({ typeUrl, name }) => typeUrl === typeUrls.route && !isolation?.has(router, name))
          .map(({ name, reason }) => `router ${router} refuses route configuration ${name} as a whole: ${reason}`),
      )
  }

  /** Why routers refuse what comes of resources, by the resources' keys. */
  #refused(): Map<string, string[]> {
    const reasons = new Map<string, string[]>()
    const routers = this.#options.ads.routers()
    for (const { name: router, refused } of routers) {
      for (const { typeUrl, name, reason } of refused) {
        for (const key of this.#options.translator.sourcesOf(typeUrl, name))
          reasons.set(key, [...(reasons.get(key) ?? []), `router ${router} refuses ${name}: ${reason}`])
      }
    }
    const connected = new Set(routers.map(({ name }) => name))
    for (const { router, exposure, host, reason } of this.#options.isolation?.refusals() ?? []) {
      if (!connected.has(router)) continue
      for (const key of this.#options.translator.rules.sourcesOfHost(exposure, host))
        reasons.set(key, [
          ...(reasons.get(key) ?? []),
          `router ${router} refuses the rules of ${host} and goes on with those before: ${reason}`,
        ])
    }
    return reasons
  }
}
