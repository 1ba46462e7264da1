import { create, toBinary } from '@bufbuild/protobuf'
import { Cluster_DiscoveryType, ClusterSchema } from '../../common/proto/gen/envoy/config/cluster/v3/cluster_pb.js'
import { encodedResource, typeUrls, type Resource } from '../../common/xds/resources.ts'
import { together, type ClusterInit, type Context } from './feature.ts'
import { features } from './features.ts'
import { edsOverAds } from './proto.ts'
import type { ClusterVariant, RouteTraits } from './traits.ts'

/**
 * Makes the clusters of platform routes. What all clusters of a variant have in common is encoded once; a cluster is those bytes
 * after its own, since protobuf messages merge by concatenation.
 */
export class ClusterMaker {
  readonly #context: Context
  readonly #common = new Map<string, Uint8Array>()

  constructor(context: Context) {
    this.#context = context
  }

  /** A route's cluster, named by its key, with endpoints that come by EDS. */
  clusterOf(traits: RouteTraits): Resource {
    const { key, app, route, session } = traits
    const mesh = { ...(app === undefined ? {} : { app }), ...(route.guid === undefined ? {} : { route: route.guid }), space: route.space, ...(session === undefined ? {} : { session }) }
    const own = toBinary(ClusterSchema, create(ClusterSchema, { name: key, metadata: { filterMetadata: { mesh } } }))
    return encodedResource(typeUrls.cluster, key, Buffer.concat([own, this.#commonOf(traits)]))
  }

  #commonOf({ protocol, loadBalancing, policy, balanceFactor, healthCheck }: ClusterVariant): Uint8Array {
    if (policy || healthCheck) return toBinary(ClusterSchema, create(ClusterSchema, this.#fieldsOf({ protocol, loadBalancing, policy, balanceFactor, healthCheck })))
    const id = `${protocol} ${loadBalancing}`
    let bytes = this.#common.get(id)
    if (!bytes) this.#common.set(id, (bytes = toBinary(ClusterSchema, create(ClusterSchema, this.#fieldsOf({ protocol, loadBalancing })))))
    return bytes
  }

  #fieldsOf(variant: ClusterVariant): ClusterInit {
    const base: ClusterInit = { clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.EDS }, edsClusterConfig: { edsConfig: edsOverAds } }
    return together([base, ...features.flatMap((feature) => feature.cluster?.(variant, this.#context) ?? [])])
  }
}
