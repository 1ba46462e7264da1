import type { Balancer, Candidate } from './balancer.ts'

/** Of two endpoints chosen at random the one with less to do for its weight (the power of two choices). */
export function leastRequest<T extends Candidate>(endpoints: readonly T[]): Balancer<T> {
  const load = ({ active, weight }: T): number => (active + 1) / weight
  return {
    pick(excluded) {
      const allowed = excluded?.size ? endpoints.filter((endpoint) => !excluded.has(endpoint)) : endpoints
      if (allowed.length < 2) return allowed[0]
      const first = Math.floor(Math.random() * allowed.length)
      const second = (first + 1 + Math.floor(Math.random() * (allowed.length - 1))) % allowed.length
      const [a, b] = [allowed[first]!, allowed[second]!]
      return load(a) <= load(b) ? a : b
    },
  }
}
