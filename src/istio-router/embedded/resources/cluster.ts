import { fromBinary, type JsonObject } from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import { BinaryReader } from '@bufbuild/protobuf/wire'
import {
  Cluster_DiscoveryType,
  Cluster_DnsLookupFamily,
  ClusterSchema,
  type Cluster,
} from '../../../common/proto/gen/envoy/config/cluster/v3/cluster_pb.js'
import { RoutingPriority } from '../../../common/proto/gen/envoy/config/core/v3/base_pb.js'
import { HttpProtocolOptionsSchema } from '../../../common/proto/gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js'
import { compileBalancing, type Balancing } from './balancing.ts'
import { compileEndpoints, type EndpointConfig } from './endpoints.ts'
import { compileHealthCheck, type HealthCheckConfig } from './health-check.ts'
import { compileOutliers, type OutlierConfig } from './outliers.ts'
import { Unsupported, millis, requireSupported, unpack, type Supported } from './support.ts'
import { compileUpstreamTls, type UpstreamTls } from './upstream-tls.ts'

/** A cluster, ready for use. What many clusters have in common is one object for all of them. */
export interface ClusterConfig {
  name: string
  /** Name of its ClusterLoadAssignment. */
  service: string
  /** Endpoints that came with the cluster itself (type STATIC). */
  endpoints: EndpointConfig[] | undefined
  /** Names that are looked up for endpoints (types STRICT_DNS and LOGICAL_DNS). */
  names: DnsConfig | undefined
  balancer: Balancing
  outliers: OutlierConfig | undefined
  healthCheck: HealthCheckConfig | undefined
  connectTimeout: number
  /** Time of silence after which TCP asks whether the other end is there, milliseconds; 0 for the system's. */
  keepaliveTime: number
  tls: UpstreamTls | undefined
  http: UpstreamHttp
  limits: Limits
  metadata: Record<string, JsonObject>
}

/** How to speak to the endpoints; times in milliseconds. */
export interface UpstreamHttp {
  /** `client` for that of each request. */
  version: 1 | 2 | 'client'
  idleTimeout: number
  /** Requests that a connection serves before it is closed. */
  maxRequests: number
  /** Age at which a connection takes no more requests; 0 for none. */
  maxAge: number
  /** Streams of one HTTP/2 connection at a time. */
  maxStreams: number
}

/** How names become endpoints. */
export interface DnsConfig {
  endpoints: EndpointConfig[]
  family: 0 | 4 | 6
  /** Which of both families is taken where there are both; undefined for all addresses. */
  prefer: 4 | 6 | undefined
  /** Time until a name is looked up again, milliseconds. */
  refresh: number
  /** Only the first address of a name is an endpoint (LOGICAL_DNS). */
  first: boolean
}

/** Circuit breakers: how much of each there may be at one time. */
export interface Limits {
  connections: number
  /** Requests that wait for a connection; Infinity for no limit. */
  pending: number
  requests: number
  retries: number
  /** In place of `retries`: a share of the requests in flight, 0 to 1, and at least so many. */
  budget: { share: number; least: number } | undefined
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
  round_robin_lb_config: { slow_start_config: true },
  least_request_lb_config: { choice_count: true, slow_start_config: true },
  load_balancing_policy: true,
  outlier_detection: true,
  health_checks: true,
  dns_lookup_family: true,
  dns_refresh_rate: true,
  respect_dns_ttl: true,
  dns_failure_refresh_rate: true,
  common_lb_config: {
    healthy_panic_threshold: true,
    close_connections_on_host_set_change: true,
    locality_weighted_lb_config: true,
    update_merge_window: true,
  },
  circuit_breakers: {
    thresholds: {
      priority: true,
      max_connections: true,
      max_pending_requests: true,
      max_requests: true,
      max_retries: true,
      retry_budget: true,
      track_remaining: true,
      max_connection_pools: true,
    },
  },
  typed_extension_protocol_options: true,
  transport_socket: true,
  metadata: true,
  ignore_health_on_host_removal: true,
  upstream_connection_options: { tcp_keepalive: { keepalive_time: true } },
  wait_for_warm_on_init: true,
  track_cluster_stats: true,
}

const httpOptions = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions'
const http1: UpstreamHttp = { version: 1, idleTimeout: 3_600_000, maxRequests: Infinity, maxAge: 0, maxStreams: Infinity }
const unlimited = 4_294_967_295
const defaultLimits: Limits = { connections: 1024, pending: 1024, requests: 1024, retries: 3, budget: undefined }

/** What clusters have of their own; platform routes' clusters are alike in all else. */
const ownFields = new Set([ClusterSchema.field.name.number, ClusterSchema.field.metadata.number])

/** Compiles an `envoy.config.cluster.v3.Cluster`. Throws `Unsupported`. */
export function compileCluster(bytes: Uint8Array): ClusterConfig {
  const [own, rest] = apart(bytes, ownFields)
  const { name, metadata } = fromBinary(ClusterSchema, own)
  const variant = memoized(`cluster ${rest.toString('latin1')}`, () => compileVariant(rest))
  return { ...variant, name, service: variant.service || name, metadata: metadata?.filterMetadata ?? {} }
}

/** The bytes of the fields that are meant, and those of all others. */
function apart(bytes: Uint8Array, meant: ReadonlySet<number>): [Buffer, Buffer] {
  const parts: [Uint8Array[], Uint8Array[]] = [[], []]
  const reader = new BinaryReader(bytes)
  while (reader.pos < reader.len) {
    const start = reader.pos
    const [field, wireType] = reader.tag()
    reader.skip(wireType, field)
    parts[meant.has(field) ? 0 : 1].push(bytes.subarray(start, reader.pos))
  }
  return [Buffer.concat(parts[0]), Buffer.concat(parts[1])]
}

function compileVariant(bytes: Uint8Array): Omit<ClusterConfig, 'name' | 'metadata'> {
  const cluster = fromBinary(ClusterSchema, bytes)
  requireSupported(ClusterSchema, cluster, supported)
  return {
    service: cluster.edsClusterConfig?.serviceName ?? '',
    ...compileDiscovery(cluster),
    balancer: compileBalancing(cluster),
    outliers: compileOutliers(cluster.outlierDetection),
    healthCheck: compileHealthCheck(cluster.healthChecks),
    keepaliveTime: (cluster.upstreamConnectionOptions?.tcpKeepalive?.keepaliveTime ?? 0) * 1000,
    connectTimeout: millis(cluster.connectTimeout, 5000),
    tls: shared(cluster.transportSocket?.configType.value, compileTransport),
    http: shared(cluster.typedExtensionProtocolOptions[httpOptions], compileHttp) ?? http1,
    limits: compileLimits(cluster),
  }
}

const inlineTypes: Cluster_DiscoveryType[] = [
  Cluster_DiscoveryType.STATIC,
  Cluster_DiscoveryType.STRICT_DNS,
  Cluster_DiscoveryType.LOGICAL_DNS,
]
const families = {
  [Cluster_DnsLookupFamily.AUTO]: { family: 0, prefer: 6 },
  [Cluster_DnsLookupFamily.V4_ONLY]: { family: 4, prefer: undefined },
  [Cluster_DnsLookupFamily.V6_ONLY]: { family: 6, prefer: undefined },
  [Cluster_DnsLookupFamily.V4_PREFERRED]: { family: 0, prefer: 4 },
  [Cluster_DnsLookupFamily.ALL]: { family: 0, prefer: undefined },
} as const

/** Where a cluster's endpoints come from: EDS, the cluster itself, or DNS. */
function compileDiscovery(cluster: Cluster): Pick<ClusterConfig, 'endpoints' | 'names'> {
  const { case: kind, value } = cluster.clusterDiscoveryType
  const type = value ?? Cluster_DiscoveryType.STATIC
  if (type === Cluster_DiscoveryType.EDS) return { endpoints: undefined, names: undefined }
  if (kind === 'clusterType' || !inlineTypes.includes(type as Cluster_DiscoveryType))
    throw new Unsupported('type', 'only EDS, STATIC, STRICT_DNS and LOGICAL_DNS are supported by the embedded engine')
  const endpoints = cluster.loadAssignment ? compileEndpoints(cluster.loadAssignment, 'load_assignment.') : []
  if (type === Cluster_DiscoveryType.STATIC) return { endpoints, names: undefined }
  const names = {
    endpoints,
    ...families[cluster.dnsLookupFamily],
    refresh: millis(cluster.dnsRefreshRate, 5000),
    first: type === Cluster_DiscoveryType.LOGICAL_DNS,
  }
  return { endpoints: [], names }
}

function compileLimits(cluster: Cluster): Limits {
  const { maxConnections, maxPendingRequests, maxRequests, maxRetries, retryBudget } =
    cluster.circuitBreakers?.thresholds.find(({ priority }) => priority === RoutingPriority.DEFAULT) ?? {}
  return {
    connections: maxConnections ?? defaultLimits.connections,
    pending: maxPendingRequests === unlimited ? Infinity : (maxPendingRequests ?? defaultLimits.pending),
    requests: maxRequests ?? defaultLimits.requests,
    retries: maxRetries ?? defaultLimits.retries,
    budget: retryBudget && { share: (retryBudget.budgetPercent?.value ?? 20) / 100, least: retryBudget.minRetryConcurrency ?? 3 },
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
  const options = unpack(
    HttpProtocolOptionsSchema,
    any,
    {
      common_http_protocol_options: {
        idle_timeout: true,
        max_headers_count: true,
        max_requests_per_connection: true,
        max_connection_duration: true,
      },
      explicit_http_config: { http_protocol_options: true, http2_protocol_options: true },
      use_downstream_protocol_config: { http_protocol_options: true, http2_protocol_options: true },
    },
    'typed_extension_protocol_options',
  )
  const { case: kind, value } = options.upstreamProtocolOptions
  const explicit = kind === 'explicitHttpConfig' ? value.protocolConfig : undefined
  const http2 =
    kind === 'useDownstreamProtocolConfig'
      ? value.http2ProtocolOptions
      : explicit?.case === 'http2ProtocolOptions'
        ? explicit.value
        : undefined
  const common = options.commonHttpProtocolOptions
  return {
    version: kind === 'useDownstreamProtocolConfig' ? 'client' : http2 ? 2 : 1,
    idleTimeout: millis(common?.idleTimeout, http1.idleTimeout) || http1.idleTimeout,
    maxRequests: common?.maxRequestsPerConnection ?? Infinity,
    maxAge: millis(common?.maxConnectionDuration, 0),
    maxStreams: http2?.maxConcurrentStreams || Infinity,
  }
}

const memo = new Map<string, unknown>()

/** Compiles `any` once for all clusters that have the very same bytes, so that 100,000 clusters share one object. */
function shared<T>(any: Any | undefined, compile: (any: Any) => T): T | undefined {
  return (
    any &&
    memoized(`${any.typeUrl} ${Buffer.from(any.value.buffer, any.value.byteOffset, any.value.byteLength).toString('latin1')}`, () =>
      compile(any),
    )
  )
}

function memoized<T>(key: string, compile: () => T): T {
  if (memo.has(key)) return memo.get(key) as T
  const compiled = compile()
  if (memo.size >= 1000) memo.clear()
  memo.set(key, compiled)
  return compiled
}
