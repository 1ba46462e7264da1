import { create } from '@bufbuild/protobuf'
import { Cluster_DiscoveryType, ClusterSchema } from '../../../common/proto/gen/envoy/config/cluster/v3/cluster_pb.js'
import { encodeResource, type Resource } from '../../../common/xds/resources.ts'
import { nowhere } from '../../rules/rule-host.ts'

/** What rules send to whose destination is not there: 503, as Istio has it, since the route exists; NC would be 404. */
export const nowhereCluster: Resource = encodeResource(
  ClusterSchema,
  nowhere,
  create(ClusterSchema, {
    name: nowhere,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
    loadAssignment: { clusterName: nowhere },
  }),
)
