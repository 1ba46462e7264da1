import type { RuleFeature } from './feature.ts'
import { percent } from './percent.ts'

/** Sends copies of a share of requests elsewhere, whose answers are thrown away. Istio: VirtualService http[].mirror and mirrors. */
export const mirrors: RuleFeature = {
  action: ({ mirrors }) => ({
    requestMirrorPolicies: mirrors
      .filter((mirror) => mirror.percent > 0)
      .map((mirror) => ({ cluster: mirror.cluster, runtimeFraction: { defaultValue: percent(mirror.percent) } })),
  }),
}
