import { Cluster_LbPolicy } from '../../common/proto/gen/envoy/config/cluster/v3/cluster_pb.js'
import type { Feature } from './feature.ts'

const policies = {
  'round-robin': Cluster_LbPolicy.ROUND_ROBIN,
  'least-connection': Cluster_LbPolicy.LEAST_REQUEST,
  random: Cluster_LbPolicy.RANDOM,
} as const

/**
 * How an instance is chosen: by the route's `loadbalancing` option (RFC-0027), else by the operator's setting. Least connection
 * takes the best of eight that are drawn, where Envoy's usual two would still send a quarter to the busier of two instances.
 */
export const loadBalancing: Feature = {
  cluster: ({ loadBalancing }) => ({
    lbPolicy: policies[loadBalancing],
    ...(loadBalancing === 'least-connection' ? { lbConfig: { case: 'leastRequestLbConfig' as const, value: { choiceCount: 8 } } } : {}),
  }),
}
