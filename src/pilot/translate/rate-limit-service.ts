import { create } from '@bufbuild/protobuf'
import { Cluster_DiscoveryType, ClusterSchema } from '../../common/proto/gen/envoy/config/cluster/v3/cluster_pb.js'
import { HttpProtocolOptionsSchema } from '../../common/proto/gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js'
import { encodeResource, type Resource } from '../../common/xds/resources.ts'
import { duration, packed, socketAddress } from './proto.ts'
import { rateLimitCluster } from './rules/global-rate-limit.ts'
import type { TranslationSettings } from './settings.ts'

/** The cluster of the operator's rate limit service, where there is one. */
export function rateLimitService({ rateLimitService: service, connectTimeout }: TranslationSettings): Resource[] {
  if (!service) return []
  const [host = '', port] = service.address.split(':')
  const cluster = create(ClusterSchema, {
    name: rateLimitCluster,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STRICT_DNS },
    connectTimeout: duration(connectTimeout),
    loadAssignment: { clusterName: rateLimitCluster, endpoints: [{ lbEndpoints: [{ hostIdentifier: { case: 'endpoint', value: { address: socketAddress(host, Number(port)) } } }] }] },
    typedExtensionProtocolOptions: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': packed(HttpProtocolOptionsSchema, {
        upstreamProtocolOptions: { case: 'explicitHttpConfig', value: { protocolConfig: { case: 'http2ProtocolOptions', value: {} } } },
      }),
    },
  })
  return [encodeResource(ClusterSchema, rateLimitCluster, cluster)]
}
