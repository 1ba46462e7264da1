import type { Resource } from '../../../common/xds/resources.ts'
import type { Exposure } from '../../../mesh/records.ts'
import type { Context } from '../feature.ts'
import { exposures, RouteConfigurationMaker } from '../route-configuration.ts'
import { shapeOf } from '../routing-shape.ts'

/** What stands in one route configuration, by host. */
interface Parts {
  exposure: Exposure
  /** Virtual hosts of hosts with rules, encoded. */
  ruled: Map<string, Uint8Array>
  /** Hosts of the platform that would else fall to a wildcard host with rules. */
  beneath: Set<string>
}

/** The route configurations: which hosts stand in which, and which of them have to be made anew. */
export class RouteConfigurations {
  readonly #context: Context
  readonly #maker: RouteConfigurationMaker
  readonly #parts = new Map<string, Parts>()
  readonly #stale = new Set<string>()

  constructor(context: Context) {
    this.#context = context
    this.#maker = new RouteConfigurationMaker(context)
    for (const exposure of exposures) {
      for (const name of shapeOf(context.settings).configurations(exposure))
        this.#parts.set(name, { exposure, ruled: new Map(), beneath: new Set() })
    }
  }

  /** All of them, as they are now. */
  all(): Resource[] {
    return [...this.#parts.keys()].map((name) => this.#make(name))
  }

  /** Those that changed since they were asked for the last time. */
  changed(): Resource[] {
    const names = [...this.#stale].sort()
    this.#stale.clear()
    return names.map((name) => this.#make(name))
  }

  /** Puts a host's virtual host in place, or takes it out. */
  set(exposure: Exposure, host: string, virtualHost: Uint8Array | undefined): void {
    for (const [name, { ruled }] of this.#of(exposure, host)) {
      const before = ruled.get(host)
      if (before && virtualHost && Buffer.compare(before, virtualHost) === 0) continue
      if (!before && !virtualHost) continue
      if (virtualHost) ruled.set(host, virtualHost)
      else ruled.delete(host)
      this.#stale.add(name)
    }
  }

  /** Says whether a host without rules must be named, so that it does not fall to a wildcard host. */
  name(exposure: Exposure, host: string, named: boolean): void {
    for (const [name, { beneath }] of this.#of(exposure, host)) {
      if (beneath.has(host) === named) continue
      if (named) beneath.add(host)
      else beneath.delete(host)
      this.#stale.add(name)
    }
  }

  #of(exposure: Exposure, host: string): [string, Parts][] {
    return shapeOf(this.#context.settings)
      .configurationsOf(exposure, host)
      .map((name) => [name, this.#parts.get(name)!])
  }

  /** The virtual hosts of hosts with rules in a configuration, encoded. */
  ruled(name: string): ReadonlyMap<string, Uint8Array> {
    return this.#parts.get(name)!.ruled
  }

  /** A configuration with other virtual hosts than it has. */
  with(name: string, ruled: ReadonlyMap<string, Uint8Array>): Resource {
    return this.#make(name, ruled)
  }

  #make(name: string, ruled: ReadonlyMap<string, Uint8Array> = this.ruled(name)): Resource {
    const { exposure, beneath } = this.#parts.get(name)!
    return this.#maker.make(
      name,
      exposure,
      [...ruled].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, bytes]) => bytes),
      [...beneath].sort(),
    )
  }
}
