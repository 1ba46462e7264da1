import type { MessageInitShape } from '@bufbuild/protobuf'
import {
  DownstreamTlsContextSchema,
  type CommonTlsContextSchema,
} from '../../common/proto/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js'
import {
  SubjectAltNameMatcher_SanType as SanType,
  TlsParameters_TlsProtocol as Protocol,
} from '../../common/proto/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js'
import type { ServerTls } from '../rules/credentials.ts'
import { ads, packed } from './proto.ts'
import type { ListenerSpec, RouterNode } from './router-node.ts'
import type { TranslationSettings } from './settings.ts'

type CommonTls = Extract<MessageInitShape<typeof CommonTlsContextSchema>, { $typeName?: never }>

const http = ['h2', 'http/1.1']
const minimum = { '1.2': Protocol.TLSv1_2, '1.3': Protocol.TLSv1_3 } as const
const versions = { TLSV1_0: Protocol.TLSv1_0, TLSV1_1: Protocol.TLSv1_1, TLSV1_2: Protocol.TLSv1_2, TLSV1_3: Protocol.TLSv1_3 } as const

/**
 * TLS towards clients of a listener, with every keypair of the router's VM; Envoy chooses by SNI, the first where none fits. Clients that
 * are asked for a certificate must have one from the CAs of instances' identities.
 */
export function downstreamTls({ clientCertificates }: ListenerSpec, node: RouterNode, settings: TranslationSettings) {
  const names = node.keypairs.map((name) => `tls/${name}`)
  const ca = clientCertificates === 'none' ? undefined : 'backend/ca'
  return socket({
    names,
    validation: ca === undefined ? {} : validatedBy(ca),
    required: clientCertificates === 'required',
    alpn: http,
    parameters: { tlsMinimumProtocolVersion: minimum[settings.minimumTlsVersion] },
  })
}

/** TLS of a Gateway's server. Its versions lie within what the operator allows. */
export function serverDownstreamTls(
  { keypairs, ca, requireCertificate, ...tls }: ServerTls,
  isHttp: boolean,
  settings: TranslationSettings,
) {
  const least = minimum[settings.minimumTlsVersion]
  const parameters = {
    tlsMinimumProtocolVersion: Math.max(least, tls.minimum ? versions[tls.minimum] : least),
    ...(tls.maximum ? { tlsMaximumProtocolVersion: Math.max(least, versions[tls.maximum]) } : {}),
    cipherSuites: tls.ciphers,
  }
  return socket({
    names: keypairs.map(({ name }) => name),
    validation: ca ? checked(ca.name, tls) : {},
    required: requireCertificate,
    alpn: isHttp ? http : [],
    parameters,
  })
}

/** The CAs by which clients' certificates are checked. */
const validatedBy = (name: string) => ({
  validationContextType: { case: 'validationContextSdsSecretConfig' as const, value: { name, sdsConfig: ads } },
})

/** The same, with what the certificate must be besides. */
function checked(
  name: string,
  { names, hashes, keyHashes }: Pick<ServerTls, 'names' | 'hashes' | 'keyHashes'>,
): Pick<CommonTls, 'validationContextType'> {
  if (!names.length && !hashes.length && !keyHashes.length) return validatedBy(name)
  const matcher = (exact: string) => ({ matchPattern: { case: 'exact' as const, value: exact } })
  const matchTypedSubjectAltNames = names.flatMap((san) =>
    [SanType.DNS, SanType.URI, SanType.EMAIL, SanType.IP_ADDRESS].map((sanType) => ({ sanType, matcher: matcher(san) })),
  )
  return {
    validationContextType: {
      case: 'combinedValidationContext',
      value: {
        defaultValidationContext: { matchTypedSubjectAltNames, verifyCertificateHash: hashes, verifyCertificateSpki: keyHashes },
        validationContextSdsSecretConfig: { name, sdsConfig: ads },
      },
    },
  }
}

interface SocketOptions {
  /** Of the keypairs in SDS. */
  names: string[]
  validation: Pick<CommonTls, 'validationContextType'>
  required: boolean
  alpn: string[]
  parameters: CommonTls['tlsParams']
}

function socket({ names, validation, required, alpn, parameters }: SocketOptions) {
  const context = packed(DownstreamTlsContextSchema, {
    ...(required ? { requireClientCertificate: true } : {}),
    commonTlsContext: {
      tlsParams: parameters,
      alpnProtocols: alpn,
      tlsCertificateSdsSecretConfigs: names.map((name) => ({ name, sdsConfig: ads })),
      ...validation,
    },
  })
  return { transportSocket: { name: 'envoy.transport_sockets.tls', configType: { case: 'typedConfig' as const, value: context } } }
}
