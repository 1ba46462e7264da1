import { UpstreamTlsContextSchema } from '../../common/proto/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js'
import type { Feature } from './feature.ts'
import { ads, extension } from './proto.ts'

/**
 * TLS to instances with the check that each is the one meant: the server's name must be the endpoint's hostname, the instance's
 * guid, so that an address which now belongs to another app never gets a request. An endpoint without hostname falls back on a
 * name that nobody has, and sessions are not resumed, since a resumed one skips the check.
 */
const socket = (alpn: string) => ({
  transportSocket: {
    name: 'envoy.transport_sockets.tls',
    configType: {
      case: 'typedConfig' as const,
      value: extension('', UpstreamTlsContextSchema, {
        sni: 'unknown-instance.invalid',
        autoHostSni: true,
        autoSniSanValidation: true,
        maxSessionKeys: 0,
        commonTlsContext: {
          alpnProtocols: [alpn],
          tlsCertificateSdsSecretConfigs: [{ name: 'backend/client', sdsConfig: ads }],
          validationContextType: { case: 'validationContextSdsSecretConfig', value: { name: 'backend/ca', sdsConfig: ads } },
        },
      }).typedConfig,
    },
  },
})
const sockets = { http1: socket('http/1.1'), http2: socket('h2') }

export const upstreamTls: Feature = {
  cluster: ({ protocol }) => sockets[protocol],
}
