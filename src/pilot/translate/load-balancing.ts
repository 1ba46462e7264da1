import { Cluster_LbPolicy } from '../../common/proto/gen/envoy/config/cluster/v3/cluster_pb.js'
import type { Feature } from './feature.ts'

const policies = {
  'round-robin': Cluster_LbPolicy.ROUND_ROBIN,
  'least-connection': Cluster_LbPolicy.LEAST_REQUEST,
  random: Cluster_LbPolicy.RANDOM,
} as const

/** How an instance is chosen: by the route's `loadbalancing` option (RFC-0027), else by the operator's setting. */
export const loadBalancing: Feature = {
  cluster: ({ loadBalancing }) => ({ lbPolicy: policies[loadBalancing] }),
}
