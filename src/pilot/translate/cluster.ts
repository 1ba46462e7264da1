import { create } from '@bufbuild/protobuf'
import { Cluster_DiscoveryType, ClusterSchema } from '../../common/proto/gen/envoy/config/cluster/v3/cluster_pb.js'
import { encodeResource, type Resource } from '../../common/xds/resources.ts'
import { together, type ClusterInit, type Context } from './feature.ts'
import { features } from './features.ts'
import { ads } from './proto.ts'
import type { RouteTraits } from './traits.ts'

/** A platform route's cluster, named by its key, with endpoints that come by EDS. */
export function clusterOf(traits: RouteTraits, context: Context): Resource {
  const { key, app, route } = traits
  const base: ClusterInit = {
    name: key,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.EDS },
    edsClusterConfig: { edsConfig: ads },
    metadata: {
      filterMetadata: {
        mesh: { ...(app === undefined ? {} : { app }), ...(route.guid === undefined ? {} : { route: route.guid }), space: route.space },
      },
    },
  }
  const parts = features.flatMap((feature) => feature.cluster?.(traits, context) ?? [])
  return encodeResource(ClusterSchema, key, create(ClusterSchema, together([base, ...parts])))
}
