import { DownstreamTlsContextSchema } from '../../common/proto/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js'
import { TlsParameters_TlsProtocol } from '../../common/proto/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js'
import { ads, packed } from './proto.ts'
import type { ListenerSpec, RouterNode } from './router-node.ts'
import type { TranslationSettings } from './settings.ts'

const versions = { '1.2': TlsParameters_TlsProtocol.TLSv1_2, '1.3': TlsParameters_TlsProtocol.TLSv1_3 } as const

/**
 * TLS towards clients, with every keypair of the router's VM; Envoy chooses by SNI, the first where none fits. Clients that are asked for a
 * certificate must have one from the CAs of instances' identities.
 */
export function downstreamTls({ clientCertificates }: ListenerSpec, node: RouterNode, settings: TranslationSettings) {
  const context = packed(DownstreamTlsContextSchema, {
    ...(clientCertificates === 'required' ? { requireClientCertificate: true } : {}),
    commonTlsContext: {
      tlsParams: { tlsMinimumProtocolVersion: versions[settings.minimumTlsVersion] },
      alpnProtocols: ['h2', 'http/1.1'],
      tlsCertificateSdsSecretConfigs: node.keypairs.map((name) => ({ name: `tls/${name}`, sdsConfig: ads })),
      ...(clientCertificates === 'none' ? {} : { validationContextType: { case: 'validationContextSdsSecretConfig' as const, value: { name: 'backend/ca', sdsConfig: ads } } }),
    },
  })
  return { transportSocket: { name: 'envoy.transport_sockets.tls', configType: { case: 'typedConfig' as const, value: context } } }
}
