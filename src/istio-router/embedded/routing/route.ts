import type { JsonObject } from '@bufbuild/protobuf'
import type { TypedExtensionConfig } from '../../../common/proto/gen/envoy/config/core/v3/extension_pb.js'
import { LuaConfigSchema } from '../../../common/proto/gen/envoy/extensions/router/cluster_specifiers/lua/v3/lua_pb.js'
import {
  RouteAction_ClusterNotFoundResponseCode as NotFound, RouteActionSchema, RouteSchema, type Route as RouteMessage, type RouteAction,
} from '../../../common/proto/gen/envoy/config/route/v3/route_components_pb.js'
import type { Exchange } from '../exchange.ts'
import { compilePerRoute } from '../filters/filters.ts'
import { compileHeaderLists, type Mutation } from '../http/mutation.ts'
import { Unsupported, millis, requireSupported, unpack } from '../resources/support.ts'
import { compileMatch, type Match } from './match.ts'
import { platformRoute } from './platform-route.ts'
import { compileRetries, type Retries } from './retry.ts'

/** One route, ready for use; times in milliseconds, 0 for none. */
export interface Route {
  name: string
  matches: Match
  /** The cluster that answers this request; undefined where there is none. */
  cluster: (exchange: Exchange) => string | undefined
  /** Status of the answer where there is no cluster. */
  clusterMissing: number
  timeout: number
  idleTimeout: number | undefined
  retries: Retries | undefined
  request: Mutation | undefined
  response: Mutation | undefined
  metadata: Record<string, JsonObject>
  perFilter: Map<string, unknown>
}

/** Specifiers of clusters that a route configuration has, by name. */
export type Specifiers = ReadonlyMap<string, Route['cluster']>

/** What each kind of cluster specifier becomes. */
const specifiers: { [Kind in NonNullable<RouteAction['clusterSpecifier']['case']>]?: (value: never, at: string, named: Specifiers) => Route['cluster'] } = {
  cluster: (name: string) => () => name,
  clusterSpecifierPlugin: (name: string, at: string, named: Specifiers) => {
    const specify = named.get(name)
    if (!specify) throw new Unsupported(at, `${name} is not in the route configuration`)
    return specify
  },
}

/** Compiles a plugin that names clusters. Throws `Unsupported` unless it is ours. */
export function compileSpecifier(extension: TypedExtensionConfig | undefined, at: string): Route['cluster'] {
  unpack(LuaConfigSchema, extension?.typedConfig, { source_code: true, default_cluster: true }, at)
  const find = platformRoute(extension?.name ?? '')
  if (!find) throw new Unsupported(at, `${extension?.name} is not supported by the embedded engine`)
  return find
}

const missingStatus = { [NotFound.SERVICE_UNAVAILABLE]: 503, [NotFound.NOT_FOUND]: 404, [NotFound.INTERNAL_SERVER_ERROR]: 500 }

/** Compiles one route of a virtual host. Throws `Unsupported`. */
export function compileRoute(route: RouteMessage, at: string, named: Specifiers): Route {
  requireSupported(RouteSchema, route, {
    name: true, match: true, route: true, metadata: true, typed_per_filter_config: true,
    request_headers_to_add: true, request_headers_to_remove: true, response_headers_to_add: true, response_headers_to_remove: true,
  }, `${at}.`)
  if (route.action.case !== 'route') throw new Unsupported(`${at}.action`, 'is missing')
  const action = route.action.value
  requireSupported(RouteActionSchema, action, {
    cluster: true, cluster_specifier_plugin: true, cluster_not_found_response_code: true, timeout: true, idle_timeout: true, retry_policy: true, max_stream_duration: {},
  }, `${at}.route.`)
  const { case: kind, value } = action.clusterSpecifier
  const specify = kind && specifiers[kind]
  if (!specify) throw new Unsupported(`${at}.route.cluster_specifier`)
  return {
    name: route.name,
    matches: compileMatch(route.match, `${at}.match`),
    cluster: specify(value as never, `${at}.route.${kind}`, named),
    clusterMissing: missingStatus[action.clusterNotFoundResponseCode],
    timeout: millis(action.timeout, 15_000),
    idleTimeout: action.idleTimeout && millis(action.idleTimeout, 0),
    retries: compileRetries(action.retryPolicy, `${at}.route.retry_policy`),
    request: compileHeaderLists(route.requestHeadersToAdd, route.requestHeadersToRemove),
    response: compileHeaderLists(route.responseHeadersToAdd, route.responseHeadersToRemove),
    metadata: route.metadata?.filterMetadata ?? {},
    perFilter: compilePerRoute(route.typedPerFilterConfig, `${at}.typed_per_filter_config`),
  }
}
