import {
  RouteAction_RequestMirrorPolicySchema,
  type RouteAction_RequestMirrorPolicy,
} from '../../../common/proto/gen/envoy/config/route/v3/route_components_pb.js'
import { requireSupported } from '../resources/support.ts'
import { fraction } from './fraction.ts'

/** Where copies of requests go. */
export interface Mirror {
  cluster: string
  wanted: () => boolean
  /** The copy's host ends in `-shadow`. */
  suffix: boolean
}

/** Compiles `RequestMirrorPolicy` messages. Throws `Unsupported`. */
export function compileMirrors(policies: RouteAction_RequestMirrorPolicy[], at: string): Mirror[] | undefined {
  if (policies.length === 0) return undefined
  return policies.map((policy, index) => {
    requireSupported(
      RouteAction_RequestMirrorPolicySchema,
      policy,
      { cluster: true, runtime_fraction: { default_value: true }, trace_sampled: true, disable_shadow_host_suffix_append: true },
      `${at}[${index}].`,
    )
    return {
      cluster: policy.cluster,
      wanted: fraction(policy.runtimeFraction?.defaultValue, 1),
      suffix: !policy.disableShadowHostSuffixAppend,
    }
  })
}
