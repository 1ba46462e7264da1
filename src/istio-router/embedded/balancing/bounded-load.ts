import type { Candidate } from './balancer.ts'

/**
 * Takes what `next` offers, at most `offers` times, until there is an endpoint that is not excluded and, where a `factor` (percent of the
 * mean) is given, has no more to do than that ("consistent hashing with bounded loads", Mirrokni et al.). Where all have, the first offer.
 */
export function withinLoad<T extends Candidate>(
  endpoints: readonly T[],
  factor: number | undefined,
  excluded: ReadonlySet<T> | undefined,
  offers: number,
  next: () => T,
): T | undefined {
  const bound = factor === undefined ? Infinity : boundOf(endpoints, factor)
  let first: T | undefined
  for (let i = 0; i < offers; i++) {
    const endpoint = next()
    if (excluded?.has(endpoint)) continue
    if (endpoint.active + 1 <= bound * endpoint.weight) return endpoint
    first ??= endpoint
  }
  return first
}

/** Requests for a weight of 1. */
function boundOf(endpoints: readonly Candidate[], factor: number): number {
  let [active, weight] = [1, 0]
  for (const endpoint of endpoints) {
    active += endpoint.active
    weight += endpoint.weight
  }
  return Math.ceil((active * factor) / 100) / weight
}
