import { UpstreamTlsContextSchema } from '../../common/proto/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js'
import { SubjectAltNameMatcher_SanType as SanType } from '../../common/proto/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js'
import type { ClientCredentials } from '../rules/client-credentials.ts'
import type { Policy } from '../rules/policies.ts'
import type { ClusterInit } from './feature.ts'
import { ads, extension } from './proto.ts'
import type { ClusterVariant } from './traits.ts'

type ClientTls = NonNullable<Policy['tls']>

/**
 * TLS to an external service. Istio: DestinationRule trafficPolicy.tls, with ServiceEntry subjectAltNames where that says none. Unless it
 * is told otherwise, the server must show a certificate for the name that it is asked for (`sni`, else its host), from a CA that the
 * router's system trusts.
 */
export function externalTls(
  tls: ClientTls | undefined,
  {
    host,
    names,
    protocol,
    credentials,
  }: { host: string; names: string[]; protocol: ClusterVariant['protocol']; credentials: ClientCredentials },
): ClusterInit {
  if (!tls || (tls.mode !== 'SIMPLE' && tls.mode !== 'MUTUAL')) return {}
  const sni = tls.sni ?? host
  const wanted = tls.subjectAltNames?.length ? tls.subjectAltNames : names
  const context = {
    sni,
    autoSniSanValidation: !tls.insecureSkipVerify && !wanted.length,
    maxSessionKeys: 0,
    commonTlsContext: {
      alpnProtocols: { http1: ['http/1.1'], http2: ['h2'], client: [] }[protocol],
      ...keypair(tls, credentials),
      ...(tls.insecureSkipVerify ? {} : validation(tls, wanted, credentials)),
    },
  }
  return {
    transportSocket: {
      name: 'envoy.transport_sockets.tls',
      configType: { case: 'typedConfig', value: extension('', UpstreamTlsContextSchema, context).typedConfig },
    },
  }
}

const file = (filename: string) => ({ specifier: { case: 'filename' as const, value: filename } })

function keypair({ mode, clientCertificate, privateKey }: ClientTls, credentials: ClientCredentials) {
  if (credentials.keypair) return { tlsCertificateSdsSecretConfigs: [{ name: credentials.keypair.name, sdsConfig: ads }] }
  if (mode !== 'MUTUAL' || !clientCertificate || !privateKey) return {}
  return { tlsCertificates: [{ certificateChain: file(clientCertificate), privateKey: file(privateKey) }] }
}

/**
 * Files are the operator's, copilot's secrets anybody's; the CAs of the system are served by the router's agent, as those of instances are.
 */
function validation({ caCertificates, caCrl }: ClientTls, names: string[], credentials: ClientCredentials) {
  const own = {
    matchTypedSubjectAltNames: names.map((name) => ({
      sanType: name.includes('://') ? SanType.URI : SanType.DNS,
      matcher: { matchPattern: { case: 'exact' as const, value: name } },
    })),
    ...(caCertificates && caCertificates !== 'system' ? { trustedCa: file(caCertificates) } : {}),
    ...(caCrl ? { crl: file(caCrl) } : {}),
  }
  if ('trustedCa' in own) return { validationContextType: { case: 'validationContext' as const, value: own } }
  const authorities = { name: credentials.ca?.name ?? 'system/ca', sdsConfig: ads }
  if (!names.length && !caCrl) return { validationContextType: { case: 'validationContextSdsSecretConfig' as const, value: authorities } }
  return {
    validationContextType: {
      case: 'combinedValidationContext' as const,
      value: { defaultValidationContext: own, validationContextSdsSecretConfig: authorities },
    },
  }
}
