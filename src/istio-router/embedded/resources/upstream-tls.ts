import type { Any } from '@bufbuild/protobuf/wkt'
import type { SecureVersion } from 'node:tls'
import {
  TlsParameters_TlsProtocol,
  type CertificateValidationContext,
  type TlsParameters,
} from '../../../common/proto/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js'
import type { DataSource } from '../../../common/proto/gen/envoy/config/core/v3/base_pb.js'
import {
  UpstreamTlsContextSchema,
  type CommonTlsContext,
} from '../../../common/proto/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js'
import type { TypedExtensionConfig } from '../../../common/proto/gen/envoy/config/core/v3/extension_pb.js'
import { ConfigSchema as OnDemandSecretSchema } from '../../../common/proto/gen/on_demand_secret_pb.js'
import { StaticNameSchema } from '../../../common/proto/gen/static_name_pb.js'
import { Unsupported, unpack } from './support.ts'

/** TLS towards endpoints. */
export interface UpstreamTls {
  /** Server name to ask for where an endpoint has no hostname. */
  sni: string
  /** Ask each endpoint for its own hostname. */
  hostSni: boolean
  /** The server's certificate must bear the very name that was asked for. */
  checkName: boolean
  /** Names of which the certificate must bear one, DNS or URI; none for any. */
  names: string[]
  keypair: { secret: string } | { certificate: string; key: string } | undefined
  /** Whose certificates are believed; undefined for anybody's. */
  ca: { secret: string } | { file: string; crl: string | undefined } | undefined
  versions: TlsVersions
}

export interface TlsVersions {
  minVersion?: SecureVersion
  maxVersion?: SecureVersion
}

/** Compiles an `UpstreamTlsContext`. Throws `Unsupported`. */
export function compileUpstreamTls(any: Any): UpstreamTls {
  const path = 'transport_socket'
  const context = unpack(
    UpstreamTlsContextSchema,
    any,
    {
      common_tls_context: {
        tls_params: { tls_minimum_protocol_version: true, tls_maximum_protocol_version: true },
        custom_tls_certificate_selector: { name: true, typed_config: true },
        tls_certificate_sds_secret_configs: { name: true, sds_config: true },
        tls_certificates: { certificate_chain: { filename: true }, private_key: { filename: true } },
        validation_context_sds_secret_config: { name: true, sds_config: true },
        validation_context: {
          trusted_ca: { filename: true },
          crl: { filename: true },
          match_typed_subject_alt_names: { san_type: true, matcher: { exact: true } },
        },
        combined_validation_context: {
          default_validation_context: { match_typed_subject_alt_names: { san_type: true, matcher: { exact: true } } },
          validation_context_sds_secret_config: { name: true, sds_config: true },
        },
        alpn_protocols: true,
      },
      sni: true,
      max_session_keys: true,
      auto_host_sni: true,
      auto_sni_san_validation: true,
    },
    path,
  )
  const common = context.commonTlsContext
  return {
    sni: context.sni,
    hostSni: context.autoHostSni,
    checkName: context.autoSniSanValidation,
    keypair: keypairOf(common, path),
    ...compileValidation(common?.validationContextType, path),
    versions: tlsVersions(common?.tlsParams),
  }
}

function keypairOf(common: CommonTlsContext | undefined, path: string): UpstreamTls['keypair'] {
  const [named] = common?.tlsCertificateSdsSecretConfigs ?? []
  if (named) return { secret: named.name }
  const [files] = common?.tlsCertificates ?? []
  if (files) return { certificate: fileOf(files.certificateChain)!, key: fileOf(files.privateKey)! }
  const selected = selectedBy(common?.customTlsCertificateSelector, path)
  return selected === undefined ? undefined : { secret: selected }
}

const fileOf = (source: DataSource | undefined): string | undefined =>
  source?.specifier.case === 'filename' ? source.specifier.value : undefined

function compileValidation(
  validation: CommonTlsContext['validationContextType'] | undefined,
  path: string,
): Pick<UpstreamTls, 'ca' | 'names'> {
  const namesOf = (context: CertificateValidationContext | undefined): string[] =>
    context?.matchTypedSubjectAltNames.flatMap(({ matcher }) =>
      matcher?.matchPattern.case === 'exact' ? [matcher.matchPattern.value] : [],
    ) ?? []
  switch (validation?.case) {
    case undefined:
      return { ca: undefined, names: [] }
    case 'validationContextSdsSecretConfig':
      return { ca: { secret: validation.value.name }, names: [] }
    case 'combinedValidationContext': {
      const { defaultValidationContext: own, validationContextSdsSecretConfig: secret } = validation.value
      return { ca: { secret: secret?.name ?? '' }, names: namesOf(own) }
    }
    case 'validationContext': {
      const file = fileOf(validation.value.trustedCa)
      if (file === undefined) throw new Unsupported(`${path}.common_tls_context.validation_context`, 'needs a file with CAs')
      return { ca: { file, crl: fileOf(validation.value.crl) }, names: namesOf(validation.value) }
    }
    default:
      throw new Unsupported(`${path}.common_tls_context.${validation?.case}`)
  }
}

/** The secret of a selector that takes one for all connections. */
function selectedBy(selector: TypedExtensionConfig | undefined, context: string): string | undefined {
  if (!selector) return undefined
  const path = `${context}.common_tls_context.custom_tls_certificate_selector`
  const { certificateMapper } = unpack(
    OnDemandSecretSchema,
    selector.typedConfig,
    { config_source: true, certificate_mapper: { name: true, typed_config: true } },
    path,
  )
  return unpack(StaticNameSchema, certificateMapper?.typedConfig, { name: true }, `${path}.certificate_mapper`).name
}

const versions: Partial<Record<TlsParameters_TlsProtocol, SecureVersion>> = {
  [TlsParameters_TlsProtocol.TLSv1_0]: 'TLSv1',
  [TlsParameters_TlsProtocol.TLSv1_1]: 'TLSv1.1',
  [TlsParameters_TlsProtocol.TLSv1_2]: 'TLSv1.2',
  [TlsParameters_TlsProtocol.TLSv1_3]: 'TLSv1.3',
}

/** The TLS versions of `TlsParameters` in Node's words; at least TLS 1.2 unless told otherwise. */
export function tlsVersions(params: TlsParameters | undefined): TlsVersions {
  const maxVersion = versions[params?.tlsMaximumProtocolVersion ?? 0]
  return { minVersion: versions[params?.tlsMinimumProtocolVersion ?? 0] ?? 'TLSv1.2', ...(maxVersion ? { maxVersion } : {}) }
}
