import { fromBinary, type JsonObject } from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import { Cluster_DiscoveryType, Cluster_LbPolicy, ClusterSchema, type Cluster } from '../../../common/proto/gen/envoy/config/cluster/v3/cluster_pb.js'
import { RoutingPriority } from '../../../common/proto/gen/envoy/config/core/v3/base_pb.js'
import { HttpProtocolOptionsSchema } from '../../../common/proto/gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js'
import { balancers, type BalancerName } from '../balancing/balancer.ts'
import { compileEndpoints, type EndpointConfig } from './endpoints.ts'
import { Unsupported, millis, requireSupported, unpack, type Supported } from './support.ts'
import { compileUpstreamTls, type UpstreamTls } from './upstream-tls.ts'

/** A cluster, ready for use. What many clusters have in common (`tls`, `http`) is one object for all of them. */
export interface ClusterConfig {
  name: string
  /** Name of its ClusterLoadAssignment. */
  service: string
  /** Endpoints that came with the cluster itself (type STATIC). */
  endpoints: EndpointConfig[] | undefined
  balancer: BalancerName
  connectTimeout: number
  tls: UpstreamTls | undefined
  http: UpstreamHttp
  limits: Limits
  metadata: Record<string, JsonObject>
}

/** How to speak to the endpoints; times in milliseconds. */
export interface UpstreamHttp {
  version: 1 | 2
  idleTimeout: number
}

/** Circuit breakers: how much of each there may be at one time. */
export interface Limits {
  connections: number
  pending: number
  requests: number
  retries: number
}

const supported: Supported = {
  name: true,
  alt_stat_name: true,
  type: true,
  eds_cluster_config: { eds_config: true, service_name: true },
  load_assignment: true,
  connect_timeout: true,
  per_connection_buffer_limit_bytes: true,
  lb_policy: true,
  round_robin_lb_config: {},
  least_request_lb_config: { choice_count: true },
  common_lb_config: { healthy_panic_threshold: true, close_connections_on_host_set_change: true, locality_weighted_lb_config: true, update_merge_window: true },
  circuit_breakers: {
    thresholds: {
      priority: true, max_connections: true, max_pending_requests: true, max_requests: true, max_retries: true, track_remaining: true, max_connection_pools: true,
    },
  },
  typed_extension_protocol_options: true,
  transport_socket: true,
  metadata: true,
  ignore_health_on_host_removal: true,
  upstream_connection_options: true,
  wait_for_warm_on_init: true,
  track_cluster_stats: true,
}

const httpOptions = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions'
const http1: UpstreamHttp = { version: 1, idleTimeout: 3_600_000 }
const defaultLimits: Limits = { connections: 1024, pending: 1024, requests: 1024, retries: 3 }

/** Compiles an `envoy.config.cluster.v3.Cluster`. Throws `Unsupported`. */
export function compileCluster(bytes: Uint8Array): ClusterConfig {
  const cluster = fromBinary(ClusterSchema, bytes)
  requireSupported(ClusterSchema, cluster, supported)
  return {
    name: cluster.name,
    service: cluster.edsClusterConfig?.serviceName || cluster.name,
    endpoints: inlineEndpoints(cluster),
    balancer: balancerOf(cluster.lbPolicy),
    connectTimeout: millis(cluster.connectTimeout, 5000),
    tls: shared(cluster.transportSocket?.configType.value, compileTransport),
    http: shared(cluster.typedExtensionProtocolOptions[httpOptions], compileHttp) ?? http1,
    limits: compileLimits(cluster),
    metadata: cluster.metadata?.filterMetadata ?? {},
  }
}

function inlineEndpoints(cluster: Cluster): EndpointConfig[] | undefined {
  const { case: kind, value: type } = cluster.clusterDiscoveryType
  if (kind === 'type' && type === Cluster_DiscoveryType.EDS) return undefined
  if (kind === 'clusterType' || type !== Cluster_DiscoveryType.STATIC && type !== undefined) throw new Unsupported('type', 'only STATIC and EDS are supported by the embedded engine')
  return cluster.loadAssignment ? compileEndpoints(cluster.loadAssignment, 'load_assignment.') : []
}

function balancerOf(policy: Cluster_LbPolicy): BalancerName {
  const name = Cluster_LbPolicy[policy]
  if (name !== undefined && Object.hasOwn(balancers, name)) return name as BalancerName
  throw new Unsupported('lb_policy', `${name} is not supported by the embedded engine`)
}

function compileLimits(cluster: Cluster): Limits {
  const { maxConnections, maxPendingRequests, maxRequests, maxRetries } = cluster.circuitBreakers?.thresholds.find(({ priority }) => priority === RoutingPriority.DEFAULT) ?? {}
  return {
    connections: maxConnections ?? defaultLimits.connections,
    pending: maxPendingRequests ?? defaultLimits.pending,
    requests: maxRequests ?? defaultLimits.requests,
    retries: maxRetries ?? defaultLimits.retries,
  }
}

const transportTypes: Record<string, (any: Any) => UpstreamTls | undefined> = {
  'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext': compileUpstreamTls,
  'type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer': () => undefined,
}

function compileTransport(any: Any): UpstreamTls | undefined {
  const compile = transportTypes[any.typeUrl]
  if (!compile) throw new Unsupported('transport_socket', `${any.typeUrl} is not supported by the embedded engine`)
  return compile(any)
}

function compileHttp(any: Any): UpstreamHttp {
  const options = unpack(HttpProtocolOptionsSchema, any, {
    common_http_protocol_options: { idle_timeout: true, max_headers_count: true },
    explicit_http_config: { http_protocol_options: true, http2_protocol_options: true },
  }, 'typed_extension_protocol_options')
  const explicit = options.upstreamProtocolOptions
  const version = explicit.case === 'explicitHttpConfig' && explicit.value.protocolConfig.case === 'http2ProtocolOptions' ? 2 : 1
  return { version, idleTimeout: millis(options.commonHttpProtocolOptions?.idleTimeout, http1.idleTimeout) || http1.idleTimeout }
}

const memo = new Map<string, unknown>()

/** Compiles `any` once for all clusters that have the very same bytes, so that 100,000 clusters share one object. */
function shared<T>(any: Any | undefined, compile: (any: Any) => T): T | undefined {
  if (!any) return undefined
  const key = `${any.typeUrl} ${Buffer.from(any.value.buffer, any.value.byteOffset, any.value.byteLength).toString('latin1')}`
  if (memo.has(key)) return memo.get(key) as T
  const compiled = compile(any)
  if (memo.size >= 1000) memo.clear()
  memo.set(key, compiled)
  return compiled
}
