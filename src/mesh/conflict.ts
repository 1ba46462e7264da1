/** A route that is not served, as route-syncer reports it and people are shown it. */
export interface Conflict {
  /** `routeKey` of where it would answer. */
  key: string
  /** Its guid in Cloud Controller, once that is known. */
  route?: string
  /** Guid of the space that it belongs to. */
  space: string
  /** Guid of the space whose route is served instead; empty where there is none. */
  servedSpace: string
  reason: string
}
