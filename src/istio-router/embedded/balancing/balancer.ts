import { leastRequest } from './least-request.ts'
import { random } from './random.ts'
import { roundRobin } from './round-robin.ts'

/** What a balancer needs to know of an endpoint. */
export interface Candidate {
  /** Share among the endpoints, at least 1. */
  weight: number
  /** Requests that it works on now. */
  active: number
}

/** Chooses among endpoints that do not change; a changed set makes a new balancer. */
export interface Balancer<T extends Candidate> {
  /** The next endpoint, or undefined if all are `excluded`. */
  pick(excluded?: ReadonlySet<T>): T | undefined
}

/** The balancers by Envoy's `lb_policy`. */
export const balancers = {
  ROUND_ROBIN: roundRobin,
  LEAST_REQUEST: leastRequest,
  RANDOM: random,
} satisfies Record<string, <T extends Candidate>(endpoints: readonly T[]) => Balancer<T>>

export type BalancerName = keyof typeof balancers
