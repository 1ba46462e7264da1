/** What a balancer needs to know of an endpoint. */
export interface Candidate {
  /** What it is known by in hashes: its address and port. */
  key: string
  /** Share among the endpoints, at least 1; grows while a new endpoint warms up. */
  weight: number
  /** Requests that it works on now. */
  active: number
}

/** Chooses among endpoints that do not change; a changed set makes a new balancer. */
export interface Balancer<T extends Candidate> {
  /**
   * The next endpoint, or undefined if all are `excluded`; `hash` is what the request is known by, where endpoints are chosen by it; of the
   * priorities that are `avoided` one is chosen only where there is no other.
   */
  pick(excluded?: ReadonlySet<T>, hash?: number, avoided?: ReadonlySet<number>): T | undefined
}

/** Makes a balancer for endpoints. */
export type MakeBalancer = <T extends Candidate>(endpoints: readonly T[]) => Balancer<T>

/** The endpoints that are not excluded. */
export function allowed<T>(endpoints: readonly T[], excluded: ReadonlySet<T> | undefined): readonly T[] {
  return excluded?.size ? endpoints.filter((endpoint) => !excluded.has(endpoint)) : endpoints
}

/** Whether all endpoints have one weight. */
export function alike(endpoints: readonly Candidate[]): boolean {
  return endpoints.every(({ weight }) => weight === endpoints[0]?.weight)
}
