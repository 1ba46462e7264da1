import type { MessageInitShape } from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import type { ClusterSchema } from '../../common/proto/gen/envoy/config/cluster/v3/cluster_pb.js'
import type { HeaderMutationSchema } from '../../common/proto/gen/envoy/config/common/mutation_rules/v3/mutation_rules_pb.js'
import type { HeaderMatcherSchema, RouteActionSchema } from '../../common/proto/gen/envoy/config/route/v3/route_components_pb.js'
import type {
  HttpConnectionManagerSchema,
  HttpFilterSchema,
} from '../../common/proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js'
import type { ClusterVariant } from './traits.ts'
import type { ConstantRoute } from './route-configuration.ts'
import type { ListenerSpec, RouterNode } from './router-node.ts'
import type { TranslationSettings } from './settings.ts'

/** The settings a translation goes by. */
export interface Context {
  settings: TranslationSettings
}

/** The listener whose connection manager is being built. */
export interface ListenerContext extends Context {
  node: RouterNode
  listener: ListenerSpec
  /** Number of trusted proxies between the client and this filter chain. */
  trustedHops: number
  /** Istio's port that the listener stands for. */
  port: number
  /** The server of a Gateway that the filter chain is of. */
  gateway?: string
}

export type ManagerInit = Extract<MessageInitShape<typeof HttpConnectionManagerSchema>, { $typeName?: never }>
export type HeaderMutationInit = MessageInitShape<typeof HeaderMutationSchema>
export type FilterInit = Extract<MessageInitShape<typeof HttpFilterSchema>, { $typeName?: never }>
export type HeaderMatcherInit = Extract<MessageInitShape<typeof HeaderMatcherSchema>, { $typeName?: never }>
export type RouteActionInit = Extract<MessageInitShape<typeof RouteActionSchema>, { $typeName?: never }>
export type ClusterInit = Extract<MessageInitShape<typeof ClusterSchema>, { $typeName?: never }>

/**
 * One thing that routers do, as what it adds to each kind of resource. The list in `features.ts` is their order; nothing
 * else names them. No two may set the same field.
 */
export interface Feature {
  /** Changes of the request's headers before anything looks at it. */
  early?(context: ListenerContext): HeaderMutationInit[]
  /** Fields of a listener's HTTP connection manager. */
  manager?(context: ListenerContext): ManagerInit
  /** A filter that each request passes before it is routed, if any. */
  filter?(context: ListenerContext): FilterInit | undefined
  /**
   * What a plain request is like, for which the feature's filter does nothing: it is left out of the chain of requests that are plain to
   * all features. With `config`, what such a request's route says to it, it is for plain requests alone, and disabled where the listener
   * names it.
   */
  plain?(context: Context): { filter: string; headers: HeaderMatcherInit[]; config?: Any } | undefined
  /** The feature's filter where it does nothing for requests of simple hosts (rules/naming.ts): it is left out of their chain. */
  simple?(context: Context): string | undefined
  /** A filter that each attempt passes once its instance is chosen. */
  upstreamFilter?(context: Context): FilterInit
  /** Fields of a constant route's action. */
  route?(route: ConstantRoute, context: Context): RouteActionInit
  /** Fields of the clusters of platform routes. */
  cluster?(variant: ClusterVariant, context: Context): ClusterInit
}

/** The fields of all `parts` together. Two that set the same field are a mistake in the features: an error. */
export function together<Init extends object>(parts: Init[]): Init {
  const whole: Record<string, unknown> = {}
  for (const [field, value] of parts.flatMap((part) => Object.entries(part))) {
    if (field in whole) throw new Error(`two features set ${field}`)
    whole[field] = value
  }
  return whole as Init
}
