import { Cluster_LbPolicy } from '../../common/proto/gen/envoy/config/cluster/v3/cluster_pb.js'
import type { Policy } from '../rules/policies.ts'
import type { ClusterInit, Feature } from './feature.ts'
import { hashing } from './hashing.ts'
import { isDistributed } from './localities.ts'
import { duration } from './proto.ts'
import type { ClusterVariant } from './traits.ts'

type Simple = ClusterVariant['loadBalancing']

/** Istio's names; `PASSTHROUGH`, which asks the address that a client meant, has no meaning where clients mean the router. */
const named: Record<string, Simple> = {
  ROUND_ROBIN: 'round-robin',
  LEAST_REQUEST: 'least-connection',
  LEAST_CONN: 'least-connection',
  RANDOM: 'random',
}

/**
 * How an instance is chosen: as a DestinationRule says, else by the route's `loadbalancing` option (RFC-0027, RFC-0042), else by the
 * operator's setting. Least connection takes the best of eight that are drawn, where Envoy's usual two would still send a quarter to
 * the busier of two instances.
 */
export const loadBalancing: Feature = {
  cluster: ({ loadBalancing, policy, balanceFactor, healthCheck }) => {
    const common = commonOf(policy, healthCheck !== undefined)
    const hash = policy?.loadBalancer?.consistentHash
    if (hash) return { ...hashing(hash, { balanceFactor, distributed: isDistributed(policy) }), ...common }
    return { ...simple(named[policy?.loadBalancer?.simple ?? ''] ?? loadBalancing, policy?.loadBalancer), ...common }
  },
}

function simple(choice: Simple, balancer: Policy['loadBalancer']): ClusterInit {
  const slowStart = slowStartOf(balancer)
  if (choice === 'least-connection')
    return { lbPolicy: Cluster_LbPolicy.LEAST_REQUEST, lbConfig: { case: 'leastRequestLbConfig', value: { choiceCount: 8, ...slowStart } } }
  if (choice === 'random') return { lbPolicy: Cluster_LbPolicy.RANDOM }
  return {
    lbPolicy: Cluster_LbPolicy.ROUND_ROBIN,
    ...(slowStart ? { lbConfig: { case: 'roundRobinLbConfig' as const, value: slowStart } } : {}),
  }
}

/** New instances get their full share only after a while. */
function slowStartOf(balancer: Policy['loadBalancer']) {
  const window = balancer?.warmup?.duration ?? balancer?.warmupDurationSecs
  if (window === undefined) return undefined
  const { aggression, minimumPercent } = balancer?.warmup ?? {}
  return {
    slowStartConfig: {
      slowStartWindow: duration(window),
      ...(aggression === undefined ? {} : { aggression: { defaultValue: aggression, runtimeKey: 'mesh.warmup' } }),
      minWeightPercent: { value: minimumPercent ?? 10 },
    },
  }
}

/**
 * All ejected, or ill, is 503: with a policy or health checks there is no panic in which the ejected are asked again, unless it sets a
 * share for it. Nor are they asked until Envoy's next round of updates, which comes once a second by default: only the first of several to
 * be ejected would be left out at once.
 */
function commonOf(policy: Policy | undefined, checked: boolean): ClusterInit {
  const atOnce = { updateMergeWindow: duration('0s') }
  if (!policy) return checked ? { commonLbConfig: { ...atOnce, healthyPanicThreshold: { value: 0 } } } : {}
  // With a hash the balancer's own configuration says so.
  const weighted = isDistributed(policy) && !policy.loadBalancer?.consistentHash
  return {
    commonLbConfig: {
      ...atOnce,
      healthyPanicThreshold: { value: policy.outlierDetection?.minHealthPercent ?? 0 },
      ...(weighted ? { localityConfigSpecifier: { case: 'localityWeightedLbConfig' as const, value: {} } } : {}),
    },
  }
}
