import type { Balancer, Candidate, MakeBalancer } from './balancer.ts'

/** Where an endpoint stands: its priority, 0 being asked first, and the share of its locality. */
export interface Place {
  priority: number
  locality: string
  localityWeight: number
}

export interface LocalityOptions {
  /** Localities of one priority share by their weights. */
  weighted: boolean
  /** A priority, and a locality, counts as whole while no more of it is out than this leaves, percent. */
  overprovisioning: number
  /** Below this share of healthy endpoints, percent, all of them are asked. */
  panic: number
}

type Placed = Candidate & Place & { healthy: boolean }

/** True where neither priorities nor localities matter, and nobody is ill, so that one balancer of all endpoints is enough. */
function isFlat(endpoints: readonly Placed[], { weighted }: LocalityOptions): boolean {
  return endpoints.every(({ priority, healthy }) => healthy && priority === 0) && !weighted
}

/**
 * Balances over priorities (the first as long as it is healthy enough, then part or all of the next), within one over localities by weight
 * where that is asked for, and within one over its healthy endpoints with `make`.
 */
export function byLocality<T extends Placed>(endpoints: readonly T[], options: LocalityOptions, make: MakeBalancer): Balancer<T> {
  if (isFlat(endpoints, options)) return make(endpoints)
  const priorities = [...new Set(endpoints.map(({ priority }) => priority))].sort((a, b) => a - b)
  const levels = priorities.map((priority) =>
    levelOf(
      endpoints.filter((endpoint) => endpoint.priority === priority),
      options,
    ),
  )
  const available = Math.min(
    1,
    levels.reduce((sum, level) => sum + level.available, 0),
  )
  const every = levels.map(({ all, available: own, healthy, localities }, position) => {
    const inPanic = available < 1 && healthy * 100 < options.panic * all.length
    return {
      priority: priorities[position]!,
      share: inPanic && available === 0 ? 1 : own,
      balancer: inPanic ? make(all) : localities(make),
    }
  })
  return {
    pick(excluded, hash, avoided) {
      const others = avoided ? every.filter(({ priority, share }) => share > 0 && !avoided.has(priority)) : every
      const balancers = others.length ? others : every
      // What the levels together cannot take is theirs all the same.
      let turn =
        Math.random() *
        Math.min(
          1,
          balancers.reduce((sum, { share }) => sum + share, 0),
        )
      for (const { share, balancer } of balancers) {
        if (turn < share) {
          const endpoint = balancer.pick(excluded, hash)
          if (endpoint) return endpoint
        }
        turn -= Math.min(share, turn)
      }
      for (const { balancer } of balancers) {
        const endpoint = balancer.pick(excluded, hash)
        if (endpoint) return endpoint
      }
      return undefined
    },
  }
}

function levelOf<T extends Placed>(all: T[], { weighted, overprovisioning }: LocalityOptions) {
  const healthy = all.filter((endpoint) => endpoint.healthy)
  const availability = (part: T[]): number =>
    Math.min(1, (part.filter((endpoint) => endpoint.healthy).length * overprovisioning) / 100 / part.length)
  const localities = (make: MakeBalancer): Balancer<T> => {
    if (!weighted) return make(healthy)
    const parts = [...new Set(all.map(({ locality }) => locality))].map((locality) =>
      all.filter((endpoint) => endpoint.locality === locality),
    )
    return byWeight(
      parts.map((part) => ({
        weight: part[0]!.localityWeight * availability(part),
        balancer: make(part.filter((endpoint) => endpoint.healthy)),
      })),
    )
  }
  return { all, healthy: healthy.length, available: availability(all), localities }
}

function byWeight<T extends Candidate>(parts: { weight: number; balancer: Balancer<T> }[]): Balancer<T> {
  const total = parts.reduce((sum, { weight }) => sum + weight, 0)
  return {
    pick(excluded, hash) {
      let turn = Math.random() * total
      for (const { weight, balancer } of parts) {
        if (turn < weight) return balancer.pick(excluded, hash)
        turn -= weight
      }
      return undefined
    },
  }
}
