import { duration } from '../proto.ts'
import type { RuleFeature } from './feature.ts'

/**
 * Time until the answer must be complete, all attempts together. Istio: VirtualService http[].timeout; without one there is none, so that
 * streams go on.
 */
export const timeout: RuleFeature = {
  action: ({ route: { timeout } }) => ({ timeout: duration(timeout ?? '0s') }),
}
