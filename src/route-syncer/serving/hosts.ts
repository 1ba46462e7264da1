import type { Conflict } from '../../mesh/conflict.ts'
import { routeKey, type Destination, type Exposure, type Route, type RouteOptions } from '../../mesh/records.ts'
import type { Placement } from './domains.ts'

/** A route with destinations, merged from both sources, before it is decided whether it is served. */
export interface Merged {
  /** As the platform has it. */
  host: string
  path: string
  space: string
  /** Milliseconds since 1970; Infinity until Cloud Controller has told. */
  created: number
  guid?: string | undefined
  labels: Record<string, string>
  options: RouteOptions
  destinations: Destination[]
  /** Why the mesh cannot serve it, if so. */
  unserved?: string | undefined
}

interface Host {
  exposure: Exposure
  host: string
  /** By path. */
  explicit: ReadonlyMap<string, Merged>
  mirrored: ReadonlyMap<string, Merged>
}

/** Shared by all hosts that lack a side, as nearly all do. */
const none: ReadonlyMap<string, Merged> = new Map()

/**
 * Decides which route answers a host and path where a mirrored route and one made for the mesh domain meet. The older
 * side, told by its oldest route, owns the host; of the other side only routes of the owner's spaces are served. Where both
 * sides have the same path the space's own explicit route wins. What is not served is a conflict.
 */
export class Hosts {
  readonly #hosts = new Map<string, Host>()
  readonly #conflicts = new Map<string, Conflict>()
  readonly #publish: (key: string, route: Route | null) => void

  constructor(publish: (key: string, route: Route | null) => void) {
    this.#publish = publish
  }

  get conflicts(): Conflict[] {
    return [...this.#conflicts.values()]
  }

  /** Puts the route of one path of a placed host, or takes it away. */
  set({ exposure, host, mirrored }: Placement, path: string, route: Merged | undefined): void {
    const name = `${exposure}/${host}`
    const entry = this.#hosts.get(name) ?? { exposure, host, explicit: none, mirrored: none }
    const side = mirrored ? 'mirrored' : 'explicit'
    const contested = entry.explicit.size > 0 && entry.mirrored.size > 0
    entry[side] = changed(entry[side], path, route)
    if (entry.explicit.size + entry.mirrored.size > 0) this.#hosts.set(name, entry)
    else this.#hosts.delete(name)

    if (!contested && !(entry.explicit.size && entry.mirrored.size)) this.#settle(entry, path)
    else this.#settleAll(entry, path)
  }

  #settleAll(entry: Host, changed: string): void {
    const owners = oldest(entry.mirrored) <= oldest(entry.explicit) ? entry.mirrored : entry.explicit
    for (const path of new Set([changed, ...entry.explicit.keys(), ...entry.mirrored.keys()])) this.#settle(entry, path, owners)
  }

  #settle(entry: Host, path: string, owners?: ReadonlyMap<string, Merged>): void {
    const spaces = owners && new Set([...owners.values()].map(({ space }) => space))
    const entitled = (route: Merged | undefined): Merged | undefined => (route && (!spaces || spaces.has(route.space)) ? route : undefined)
    const explicit = entitled(entry.explicit.get(path))
    const mirrored = entitled(entry.mirrored.get(path))
    const winner = explicit && mirrored && explicit.space !== mirrored.space ? owners?.get(path) : (explicit ?? mirrored)

    const key = routeKey({ exposure: entry.exposure, host: entry.host, path })
    this.#publish(key, winner && !winner.unserved ? record(entry, path, winner, winner === mirrored) : null)
    for (const side of ['explicit', 'mirrored'] as const)
      this.#note(key, side, entry[side].get(path), winner ?? owners?.values().next().value)
  }

  #note(key: string, side: 'explicit' | 'mirrored', route: Merged | undefined, winner: Merged | undefined): void {
    const yields = winner && route !== winner && route?.space !== winner.space
    const reason = route?.unserved ?? (yields ? 'the host belongs to a route of another space' : undefined)
    if (!route || !reason) return void this.#conflicts.delete(`${key} ${side}`)
    const { guid, space } = route
    this.#conflicts.set(`${key} ${side}`, { key, ...(guid && { route: guid }), space, servedSpace: yields ? winner.space : '', reason })
  }
}

function changed(side: ReadonlyMap<string, Merged>, path: string, route: Merged | undefined): ReadonlyMap<string, Merged> {
  const routes = side === none ? new Map<string, Merged>() : (side as Map<string, Merged>)
  if (route) routes.set(path, route)
  else routes.delete(path)
  return routes.size ? routes : none
}

function oldest(side: ReadonlyMap<string, Merged>): number {
  let found = Number.POSITIVE_INFINITY
  for (const { created } of side.values()) found = Math.min(found, created)
  return side.size ? found : Number.NaN
}

function record({ exposure, host }: Host, path: string, route: Merged, mirrored: boolean): Route {
  const { guid, space, labels, options, destinations } = route
  return { host, path, exposure, space, ...(guid && { guid }), ...(mirrored && { mirrors: route.host }), labels, options, destinations }
}
