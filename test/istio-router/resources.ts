import { create } from '@bufbuild/protobuf'
import { AnySchema } from '@bufbuild/protobuf/wkt'
import { ClusterSchema, Cluster_DiscoveryType, Cluster_LbPolicy } from '../../src/common/proto/gen/envoy/config/cluster/v3/cluster_pb.js'
import { ClusterLoadAssignmentSchema } from '../../src/common/proto/gen/envoy/config/endpoint/v3/endpoint_pb.js'
import { ListenerSchema } from '../../src/common/proto/gen/envoy/config/listener/v3/listener_pb.js'
import { RouteConfigurationSchema } from '../../src/common/proto/gen/envoy/config/route/v3/route_pb.js'
import { RouterSchema } from '../../src/common/proto/gen/envoy/extensions/filters/http/router/v3/router_pb.js'
import { DownstreamTlsContextSchema } from '../../src/common/proto/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js'
import { HttpConnectionManagerSchema } from '../../src/common/proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js'
import { encodeResource, pack, typeUrls, type Resource } from '../../src/common/xds/resources.ts'
import { ads } from '../../src/pilot/translate/proto.ts'

/** A cluster whose endpoints come by EDS. */
export function clusterNamed(name: string, { altStatName = '', endpoints = true, lbPolicy = Cluster_LbPolicy.ROUND_ROBIN } = {}): Resource {
  return encodeResource(
    ClusterSchema,
    name,
    create(ClusterSchema, {
      name,
      altStatName,
      lbPolicy,
      clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.EDS },
      ...(endpoints ? { edsClusterConfig: { edsConfig: ads } } : {}),
    }),
  )
}

/** A cluster that Envoy can read and refuses: it doesn't say where its endpoints come from. */
export function refusedCluster(name: string, { lbPolicy = Cluster_LbPolicy.ROUND_ROBIN } = {}): Resource {
  return clusterNamed(name, { endpoints: false, lbPolicy })
}

/** A resource of which no byte can be read as what it says to be. */
export function undecodable(typeUrl: string, name: string): Resource {
  return { typeUrl, name, version: 'broken', any: create(AnySchema, { typeUrl, value: Uint8Array.of(0xff, 0xff, 0xff) }) }
}

export function endpointsOf(name: string, ports: number[]): Resource {
  return encodeResource(
    ClusterLoadAssignmentSchema,
    name,
    create(ClusterLoadAssignmentSchema, {
      clusterName: name,
      endpoints: [
        {
          lbEndpoints: ports.map((port) => ({
            hostIdentifier: {
              case: 'endpoint' as const,
              value: {
                hostname: `instance-${port}`,
                address: {
                  address: {
                    case: 'socketAddress' as const,
                    value: { address: '127.0.0.1', portSpecifier: { case: 'portValue' as const, value: port } },
                  },
                },
              },
            },
          })),
        },
      ],
    }),
  )
}

/** An HTTP listener that takes its routes from `routes`, with TLS by the secret `tls`, if given. */
export function listenerOn(name: string, port: number, { routes = 'routes', tls }: { routes?: string; tls?: string } = {}): Resource {
  const manager = pack(
    HttpConnectionManagerSchema,
    create(HttpConnectionManagerSchema, {
      statPrefix: name,
      routeSpecifier: { case: 'rds', value: { routeConfigName: routes, configSource: ads } },
      httpFilters: [
        { name: 'envoy.filters.http.router', configType: { case: 'typedConfig', value: pack(RouterSchema, create(RouterSchema)) } },
      ],
    }),
  )
  const context =
    tls &&
    pack(
      DownstreamTlsContextSchema,
      create(DownstreamTlsContextSchema, { commonTlsContext: { tlsCertificateSdsSecretConfigs: [{ name: tls, sdsConfig: ads }] } }),
    )
  return encodeResource(
    ListenerSchema,
    name,
    create(ListenerSchema, {
      name,
      address: { address: { case: 'socketAddress', value: { address: '127.0.0.1', portSpecifier: { case: 'portValue', value: port } } } },
      filterChains: [
        {
          filters: [{ name: 'envoy.filters.network.http_connection_manager', configType: { case: 'typedConfig', value: manager } }],
          ...(context
            ? { transportSocket: { name: 'envoy.transport_sockets.tls', configType: { case: 'typedConfig' as const, value: context } } }
            : {}),
        },
      ],
    }),
  )
}

/** Routes that send each host to the cluster of its name, and all other hosts to the first; `version` is shown in a response header. */
export function routesTo(clusters: string[], { name = 'routes', version = '1' } = {}): Resource {
  return encodeResource(
    RouteConfigurationSchema,
    name,
    create(RouteConfigurationSchema, {
      name,
      responseHeadersToAdd: [{ header: { key: 'x-routes', value: version } }],
      virtualHosts: clusters.map((cluster, index) => ({
        name: cluster,
        domains: [cluster, ...(index ? [] : ['*'])],
        routes: [
          {
            match: { pathSpecifier: { case: 'prefix' as const, value: '/' } },
            action: { case: 'route' as const, value: { clusterSpecifier: { case: 'cluster' as const, value: cluster } } },
          },
        ],
      })),
    }),
  )
}

export const removal = ({ typeUrl, name }: Resource): { typeUrl: string; name: string } => ({ typeUrl, name })

export { typeUrls }
