import { create, toBinary } from '@bufbuild/protobuf'
import { Cluster_DiscoveryType, ClusterSchema } from '../../common/proto/gen/envoy/config/cluster/v3/cluster_pb.js'
import { MetadataSchema } from '../../common/proto/gen/envoy/config/core/v3/base_pb.js'
import { encodedResource, typeUrls, type Resource } from '../../common/xds/resources.ts'
import { bytesOf, entry, message, struct, text, type Bytes } from '../../common/proto/compose.ts'
import { together, type ClusterInit, type Context } from './feature.ts'
import { features } from './features.ts'
import { edsOverAds } from './proto.ts'
import type { ClusterVariant, RouteTraits } from './traits.ts'

const name = text(ClusterSchema.field.name)
const metadata = message(ClusterSchema.field.metadata)
const filterMetadata = entry(MetadataSchema.field.filterMetadata)

/**
 * Makes the clusters of platform routes. What all clusters of a variant have in common is encoded once; a cluster is those bytes
 * after its own, since protobuf messages merge by concatenation.
 */
export class ClusterMaker {
  readonly #context: Context
  readonly #common = new Map<string, Bytes>()

  constructor(context: Context) {
    this.#context = context
  }

  /** A route's cluster, named by its key, with endpoints that come by EDS. */
  clusterOf(traits: RouteTraits): Resource {
    const { key, app, route, session } = traits
    const own = name(key) + metadata(filterMetadata('mesh', struct({ app, route: route.guid, space: route.space, session })))
    return encodedResource(typeUrls.cluster, key, bytesOf(own + this.#commonOf(traits)))
  }

  #commonOf({ protocol, loadBalancing, policy, balanceFactor, healthCheck }: ClusterVariant): Bytes {
    if (policy || healthCheck) return this.#encoded({ protocol, loadBalancing, policy, balanceFactor, healthCheck })
    const id = `${protocol} ${loadBalancing}`
    let bytes = this.#common.get(id)
    if (bytes === undefined) this.#common.set(id, (bytes = this.#encoded({ protocol, loadBalancing })))
    return bytes
  }

  #encoded(variant: ClusterVariant): Bytes {
    return Buffer.from(toBinary(ClusterSchema, create(ClusterSchema, this.#fieldsOf(variant)))).toString('latin1')
  }

  #fieldsOf(variant: ClusterVariant): ClusterInit {
    const base: ClusterInit = {
      clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.EDS },
      edsClusterConfig: { edsConfig: edsOverAds },
    }
    return together([base, ...features.flatMap((feature) => feature.cluster?.(variant, this.#context) ?? [])])
  }
}
