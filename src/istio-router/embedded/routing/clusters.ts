import type { TypedExtensionConfig } from '../../../common/proto/gen/envoy/config/core/v3/extension_pb.js'
import { LuaConfigSchema } from '../../../common/proto/gen/envoy/extensions/router/cluster_specifiers/lua/v3/lua_pb.js'
import {
  WeightedCluster_ClusterWeightSchema,
  WeightedClusterSchema,
  type RouteAction,
} from '../../../common/proto/gen/envoy/config/route/v3/route_components_pb.js'
import { wireText } from '../../../mesh/wire.ts'
import type { Exchange } from '../exchange.ts'
import { compileHeaderLists, type Mutation } from '../http/mutation.ts'
import { Unsupported, requireSupported, unpack } from '../resources/support.ts'
import type { HashPolicy } from './hash-policy.ts'
import { platformRoute } from './platform-route.ts'

/** The cluster that answers a request; undefined where there is none. */
export type ClusterOf = (exchange: Exchange) => string | undefined

/** Specifiers of clusters that a route configuration has, by name. */
export type Specifiers = ReadonlyMap<string, ClusterOf>

/** One of the clusters of a split, with the headers that are its own. */
export interface Share {
  cluster: string
  request: Mutation | undefined
  response: Mutation | undefined
  /** Host that its requests are for. */
  authority: string | undefined
}

type Specifier = RouteAction['clusterSpecifier']
type Value<Kind> = Extract<Specifier, { case: Kind }>['value']

/** Compiles where a route sends to. Throws `Unsupported`. */
export function compileClusters(specifier: Specifier, hash: HashPolicy | undefined, named: Specifiers, at: string): ClusterOf {
  switch (specifier.case) {
    case 'cluster': {
      const name = specifier.value
      return () => name
    }
    case 'clusterHeader': {
      const name = specifier.value.toLowerCase()
      return ({ headers }) => headers.get(name)
    }
    case 'weightedClusters':
      return weighted(specifier.value, hash, `${at}.weighted_clusters`)
    case 'clusterSpecifierPlugin': {
      const specify = named.get(specifier.value)
      if (!specify) throw new Unsupported(`${at}.cluster_specifier_plugin`, `${specifier.value} is not in the route configuration`)
      return specify
    }
    default:
      throw new Unsupported(`${at}.${specifier.case ?? 'cluster_specifier'}`)
  }
}

/** Compiles a plugin that names clusters. Throws `Unsupported` unless it is ours. */
export function compileSpecifier(extension: TypedExtensionConfig | undefined, at: string): ClusterOf {
  unpack(LuaConfigSchema, extension?.typedConfig, { source_code: true, default_cluster: true }, at)
  const find = platformRoute(extension?.name ?? '')
  if (!find) throw new Unsupported(at, `${extension?.name} is not supported by the embedded engine`)
  return find
}

/** A split: each request by chance, or by its hash where it is to stick to a visitor. */
function weighted(message: Value<'weightedClusters'>, hash: HashPolicy | undefined, at: string): ClusterOf {
  requireSupported(WeightedClusterSchema, message, { clusters: true, use_hash_policy: true }, `${at}.`)
  let total = 0
  const shares = message.clusters.map((cluster, index): Share & { until: number } => {
    requireSupported(
      WeightedCluster_ClusterWeightSchema,
      cluster,
      {
        name: true,
        weight: true,
        request_headers_to_add: true,
        request_headers_to_remove: true,
        response_headers_to_add: true,
        response_headers_to_remove: true,
        host_rewrite_literal: true,
      },
      `${at}.clusters[${index}].`,
    )
    total += cluster.weight ?? 0
    return {
      cluster: cluster.name,
      until: total,
      request: compileHeaderLists(cluster.requestHeadersToAdd, cluster.requestHeadersToRemove),
      response: compileHeaderLists(cluster.responseHeadersToAdd, cluster.responseHeadersToRemove),
      authority: wireText(cluster.hostRewriteSpecifier.value ?? '') || undefined,
    }
  })
  if (total === 0) throw new Unsupported(`${at}.clusters`, 'have no weight')
  const sticky = message.randomValueSpecifier.case === 'useHashPolicy' && message.randomValueSpecifier.value.value ? hash : undefined
  return (exchange) => {
    const turn = sticky?.(exchange) ?? Math.floor(Math.random() * total)
    const at = turn % total
    const share = shares.find(({ until }) => at < until)!
    exchange.share = share
    return share.cluster
  }
}
