import type { Change } from '../../mesh/records.ts'
import type { ClientStatus } from '../../common/xds/server.ts'
import type { RouteIsolation } from './isolation.ts'
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
  isolation?: Pick<RouteIsolation, 'refusals'>
  ads: {
    /** The number of the newest change of what routers are to have. */
    readonly epoch: number
    /** Up to which change all routers have answered; 0 without a router. */
    answered(): number
    routers(): ClientStatus[]
  }
}

/** Follows each resource from its record until the routers have it. */
export class ResourceStatus {
  readonly #options: ResourceStatusOptions
  /** By key: its generation, and the change with which it was published. */
  readonly #published = new Map<string, { generation: number; epoch: number }>()
  #changes = 0

  constructor(options: ResourceStatusOptions) {
    this.#options = options
  }

  /** Told of records that are in the cache now. */
  published(changes: Change[]): void {
    const { epoch } = this.#options.ads
    for (const { kind, key, value } of changes) {
      if (kind !== 'resource') continue
      this.#changes++
      if (value === null) this.#published.delete(key)
      else this.#published.set(key, { generation: value.metadata.generation, epoch })
    }
  }

  /** The state of every resource, by key. */
  report(): Record<string, ResourceState> {
    const { translator, ads } = this.#options
    const answered = ads.answered()
    const refused = this.#refused()
    return Object.fromEntries(
      [...this.#published].map(([key, { generation, epoch }]) => {
        const reasons = [...translator.degraded(key), ...(refused.get(key) ?? [])]
        return [key, { generation, programmed: epoch <= answered && !refused.has(key), ...(reasons.length && { degraded: reasons.join('; ') }) }]
      }),
    )
  }

  /** Differs whenever what `report` gives may differ. */
  essence(): string {
    const { translator, ads } = this.#options
    const answered = ads.answered()
    const programmed = [...this.#published.values()].filter(({ epoch }) => epoch <= answered).length
    const refusals = ads.routers().flatMap(({ name, refused }) => refused.map((refusal) => `${name} ${refusal.typeUrl} ${refusal.name} ${refusal.version}`))
    const isolated = this.#options.isolation?.refusals().map(({ router, exposure, host }) => `${router} ${exposure}/${host}`) ?? []
    return JSON.stringify([this.#changes, programmed, translator.rules.degradations.revision, refusals, isolated])
  }

  /** Why routers refuse what comes of resources, by the resources' keys. */
  #refused(): Map<string, string[]> {
    const reasons = new Map<string, string[]>()
    for (const { name: router, refused } of this.#options.ads.routers()) {
      for (const { typeUrl, name, reason } of refused) {
        for (const key of this.#options.translator.sourcesOf(typeUrl, name)) reasons.set(key, [...(reasons.get(key) ?? []), `router ${router} refuses ${name}: ${reason}`])
      }
    }
    for (const { router, exposure, host, reason } of this.#options.isolation?.refusals() ?? []) {
      for (const key of this.#options.translator.rules.sourcesOfHost(exposure, host)) reasons.set(key, [...(reasons.get(key) ?? []), `router ${router} refuses the rules of ${host} and goes on with those before: ${reason}`])
    }
    return reasons
  }
}
