import type { Balancer, Candidate } from './balancer.ts'

/** Any endpoint with the same chance; weights are ignored, as Envoy does. */
export function random<T extends Candidate>(endpoints: readonly T[]): Balancer<T> {
  return {
    pick(excluded) {
      const allowed = excluded?.size ? endpoints.filter((endpoint) => !excluded.has(endpoint)) : endpoints
      return allowed[Math.floor(Math.random() * allowed.length)]
    },
  }
}
