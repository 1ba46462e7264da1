/** Whom a host outside answers as a ServiceEntry of a space says. */
export interface Audience {
  /** Guid of the space whose apps it is for, as their certificates tell. */
  space: string
  /** Whether it is also for callers that show no certificate, of whom nobody knows whose they are. */
  unknown: boolean
}

/** Whether it answers a caller of `space`; undefined for one that shows no certificate. Without an audience it answers all. */
export function answers(audience: Audience | undefined, space: string | undefined): boolean {
  if (!audience) return true
  return space === undefined ? audience.unknown : space === audience.space
}
