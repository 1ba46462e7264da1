import type { Ejection } from '../common/ejection.ts'
import type { Condition } from '../common/health.ts'
import type { Part } from '../common/lifecycle.ts'
import type { Refusal, ResourceUpdate } from '../common/xds/resources.ts'

/** What proxies the traffic of a router: Envoy, or the embedded engine. Both take the same resources from the same agent. */
export interface Engine extends Part {
  /**
   * Applies an update, as one step for requests that come after it. What cannot be used is refused resource by resource;
   * the rest of the update holds, and of a refused resource its last good version. Calls may overlap and take effect in their
   * order. Endpoints may come before their cluster, and anything before the secrets that it names.
   */
  apply(update: ResourceUpdate): Promise<Refusal[]>
  /** Calls `listener` with refusals that come up after their update was accepted, for example when Envoy starts anew. */
  onRefused?(listener: (refusals: Refusal[]) => void): void
  /** Ready once it has listeners bound and serves. */
  condition(): Condition
  /** The instances that failed and are left out, or are asked again on trial. */
  ejections(): Ejection[]
  /** Stops accepting, answers what is in flight, and resolves when nothing is left or after `limit` milliseconds. */
  drain(limit: number): Promise<void>
}
