import { create } from '@bufbuild/protobuf'
import { Cluster_DiscoveryType, ClusterSchema } from '../../common/proto/gen/envoy/config/cluster/v3/cluster_pb.js'
import { UpstreamTlsContextSchema } from '../../common/proto/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js'
import { HttpProtocolOptionsSchema } from '../../common/proto/gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js'
import { encodeResource, type Resource } from '../../common/xds/resources.ts'
import type { ClusterInit } from './feature.ts'
import { ads, duration, extension, packed, socketAddress } from './proto.ts'
import { rateLimitCluster, serviceName } from './rules/global-rate-limit.ts'
import type { TranslationSettings } from './settings.ts'
import { keypairOnDemand } from './upstream-tls.ts'

/** The cluster of the operator's rate limit service, where there is one. */
export function rateLimitService({ rateLimitService: service, connectTimeout }: TranslationSettings): Resource[] {
  if (!service) return []
  const [host = '', port] = service.address.split(':')
  const cluster = create(ClusterSchema, {
    name: rateLimitCluster,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STRICT_DNS },
    connectTimeout: duration(connectTimeout),
    loadAssignment: {
      clusterName: rateLimitCluster,
      endpoints: [{ lbEndpoints: [{ hostIdentifier: { case: 'endpoint', value: { address: socketAddress(host, Number(port)) } } }] }],
    },
    typedExtensionProtocolOptions: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': packed(HttpProtocolOptionsSchema, {
        upstreamProtocolOptions: { case: 'explicitHttpConfig', value: { protocolConfig: { case: 'http2ProtocolOptions', value: {} } } },
      }),
    },
    ...(service.tls ? tls(serviceName(service)) : {}),
  })
  return [encodeResource(ClusterSchema, rateLimitCluster, cluster)]
}

/** Mutual TLS: the router shows its own certificate, and the service must show one for `name`. */
const tls = (name: string): ClusterInit => ({
  transportSocket: {
    name: 'envoy.transport_sockets.tls',
    configType: {
      case: 'typedConfig',
      value: extension('', UpstreamTlsContextSchema, {
        sni: name,
        autoSniSanValidation: true,
        commonTlsContext: {
          alpnProtocols: ['h2'],
          customTlsCertificateSelector: keypairOnDemand('rate-limit/client'),
          validationContextType: { case: 'validationContextSdsSecretConfig', value: { name: 'rate-limit/ca', sdsConfig: ads } },
        },
      }).typedConfig,
    },
  },
})
