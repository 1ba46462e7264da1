import type { Resource } from '../../../common/xds/resources.ts'
import type { Exposure } from '../../../mesh/records.ts'
import type { Context } from '../feature.ts'
import { exposures, mostSearched, RouteConfigurationMaker, type Named } from '../route-configuration.ts'
import { shapeOf } from '../routing-shape.ts'
import type { Naming } from './naming.ts'

/** What stands in one route configuration, by host. */
interface Parts extends Record<keyof Named, Set<string>> {
  exposure: Exposure
  /** Virtual hosts of hosts with rules, encoded. */
  ruled: Map<string, Uint8Array>
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
        this.#parts.set(name, { exposure, ruled: new Map(), beneath: new Set(), searched: new Set() })
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

  /** Says how a host without rules is to stand there by name, if at all. */
  name(exposure: Exposure, host: string, naming: Naming): void {
    for (const [name, { beneath, searched }] of this.#of(exposure, host)) {
      if (toggle(beneath, host, naming.beneath)) this.#stale.add(name)
      const before = searched.size
      if (toggle(searched, host, naming.searched) && Math.min(before, searched.size) <= mostSearched) this.#stale.add(name)
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
    const parts = this.#parts.get(name)!
    const virtualHosts = [...ruled].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, bytes]) => bytes)
    return this.#maker.make(name, parts.exposure, virtualHosts, parts)
  }
}

/** Puts a host in or takes it out; whether that changed anything. */
function toggle(hosts: Set<string>, host: string, there: boolean): boolean {
  if (hosts.has(host) === there) return false
  if (there) hosts.add(host)
  else hosts.delete(host)
  return true
}
