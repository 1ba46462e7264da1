import { loading } from '../../common/xds/loading.ts'
import type { RouterConfig } from '../config.ts'

export interface Sockets {
  /** Where the agent serves delta ADS to Envoy. */
  ads: string
  /** Where Envoy serves its admin API. */
  admin: string
  /** Where the agent tells Envoy the addresses of instances that requests name. */
  instances: string
  /** Where Envoy asks the agent for hosts that it was not given yet. */
  hosts: string
  /** The pipe that Envoy writes its outlier events to. */
  outliers: string
}

const ads = { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '0s' }

/**
 * Envoy's bootstrap: everything comes from the agent by delta ADS on a Unix socket, and Envoy waits for it without limit
 * (`initial_fetch_timeout: 0s`), so that a router without configuration doesn't bind. Per-cluster statistics are off and clusters are
 * made in the workers when they are first used: with 100,000 routes both decide over memory and start-up time. Statistics are summed up
 * when they are asked for: every five seconds, Envoy's default, *measured* 136 ms of its main thread each time at 100,000 clusters.
 */
export function bootstrap({ name, envoy }: Pick<RouterConfig, 'name' | 'envoy'>, sockets: Sockets): object {
  return {
    node: { id: name, cluster: 'istio-router' },
    admin: { address: { pipe: { path: sockets.admin, mode: 0o600 } } },
    dynamic_resources: {
      ads_config: {
        api_type: 'DELTA_GRPC',
        transport_api_version: 'V3',
        set_node_on_first_message_only: true,
        grpc_services: [{ envoy_grpc: { cluster_name: 'agent' } }],
      },
      cds_config: ads,
      lds_config: ads,
    },
    static_resources: {
      clusters: [
        {
          name: 'agent',
          connect_timeout: '1s',
          load_assignment: {
            cluster_name: 'agent',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path: sockets.ads } } } }] }],
          },
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
              explicit_http_config: {
                http2_protocol_options: { initial_stream_window_size: 64 * 1024 * 1024, initial_connection_window_size: 64 * 1024 * 1024 },
              },
            },
          },
        },
        asked('instances', sockets.instances),
        asked(loading.cluster, sockets.hosts),
      ],
    },
    layered_runtime: {
      layers: [
        {
          name: 'mesh',
          static_layer: {
            // Envoy's own limit of 100 refuses expressions that people write; copilot bounds them by their length.
            re2: { max_program_size: { error_level: 32_768 } },
            'envoy.reloadable_features.strict_chunk_parsing': true,
          },
        },
      ],
    },
    cluster_manager: { enable_deferred_cluster_creation: true, outlier_detection: { event_log_path: sockets.outliers } },
    stats_flush_on_admin: true,
    stats_config: { stats_matcher: { exclusion_list: { patterns: [{ prefix: 'cluster.' }] } } },
    overload_manager: {
      refresh_interval: '1s',
      resource_monitors: [
        {
          name: 'envoy.resource_monitors.global_downstream_max_connections',
          typed_config: {
            '@type': 'type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig',
            max_active_downstream_connections: envoy.maxConnections,
          },
        },
      ],
    },
  }
}

/** What filters ask the agent: as many requests at a time as there may be, over some connections. */
const asked = (name: string, path: string) => ({
  name,
  connect_timeout: '1s',
  circuit_breakers: { thresholds: [{ max_connections: 1_024, max_pending_requests: 4_294_967_295, max_requests: 4_294_967_295 }] },
  load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path } } } }] }] },
})
