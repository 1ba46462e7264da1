import { fromBinary } from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import type { CidrRange } from '../../../common/proto/gen/envoy/config/core/v3/address_pb.js'
import { FilterChainMatchSchema, type FilterChain } from '../../../common/proto/gen/envoy/config/listener/v3/listener_components_pb.js'
import { ListenerSchema, type Listener } from '../../../common/proto/gen/envoy/config/listener/v3/listener_pb.js'
import { ProxyProtocolSchema } from '../../../common/proto/gen/envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol_pb.js'
import {
  DownstreamTlsContextSchema,
  type CommonTlsContext,
} from '../../../common/proto/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js'
import { compileManager, type ManagerConfig } from './manager.ts'
import { compileTcpProxy, type TcpProxyConfig } from './tcp-proxy.ts'
import { Unsupported, millis, requireSupported, unpack } from './support.ts'
import { tlsVersions, type TlsVersions } from './upstream-tls.ts'

/** A socket to listen on, and what is spoken there. */
export interface ListenerConfig {
  name: string
  address: string
  port: number
  proxyProtocol: 'required' | 'optional' | undefined
  /** Whether the name in a TLS handshake is looked at before the chain is chosen. */
  readsServerName: boolean
  /** Time that a new connection has to show what its chain is chosen by, milliseconds. */
  firstBytesTimeout: number
  chains: ChainConfig[]
}

export interface ChainConfig {
  match: ChainMatch
  tls: DownstreamTls | undefined
  /** Time a new connection has to show what it speaks, milliseconds. */
  handshakeTimeout: number
  serve: { kind: 'http'; manager: ManagerConfig } | { kind: 'tcp'; proxy: TcpProxyConfig }
}

/** Which connections a chain is for; what is empty is for all. */
export interface ChainMatch {
  /** Where the connection was made to. */
  destinations: Range[]
  /** Names in the TLS handshake, in lower case; `*.` in front for all beneath. */
  serverNames: string[]
  /** Ranges for the peer itself, and for the address that PROXY protocol tells of it. */
  peers: Range[]
  sources: Range[]
}

export interface Range {
  address: string
  bits: number
}

/** TLS towards clients. */
export interface DownstreamTls {
  /** Names of the secrets with the keypairs. */
  keypairs: string[]
  alpn: string[]
  /** How clients' certificates are checked, where they are asked for one. */
  client: ClientCertificates | undefined
  versions: TlsVersions
  /** As OpenSSL writes them; undefined for the usual ones. */
  ciphers: string | undefined
}

export interface ClientCertificates {
  required: boolean
  /** Name of the secret with their CAs. */
  ca: string
  /** Names of which a certificate must have one; none for any. */
  names: string[]
  /** SHA-256 of the certificate in hex, and of its key in base64, of which it must have one; none for any. */
  hashes: string[]
  keyHashes: string[]
}

const tlsInspector = 'envoy.filters.listener.tls_inspector'
const proxyProtocol = 'envoy.filters.listener.proxy_protocol'

/** What can be spoken on a chain, by the names of Envoy's filters. */
const filters: Record<string, (any: Any, path: string) => ChainConfig['serve']> = {
  'envoy.filters.network.http_connection_manager': (any) => ({ kind: 'http', manager: compileManager(any) }),
  'envoy.filters.network.tcp_proxy': (any, path) => ({ kind: 'tcp', proxy: compileTcpProxy(any, path) }),
}

/** Compiles an `envoy.config.listener.v3.Listener`. Throws `Unsupported`. */
export function compileListener(bytes: Uint8Array): ListenerConfig {
  const listener = fromBinary(ListenerSchema, bytes)
  requireSupported(ListenerSchema, listener, {
    name: true,
    address: { socket_address: { address: true, port_value: true, protocol: true, ipv4_compat: true } },
    filter_chains: true,
    listener_filters: true,
    listener_filters_timeout: true,
    per_connection_buffer_limit_bytes: true,
    stat_prefix: true,
    metadata: true,
    traffic_direction: true,
    enable_reuse_port: true,
    tcp_backlog_size: true,
    ignore_global_conn_limit: true,
    bypass_overload_manager: true,
    connection_balance_config: true,
    max_connections_to_accept_per_socket_event: true,
  })
  const socket = listener.address?.address
  if (socket?.case !== 'socketAddress' || socket.value.portSpecifier.case !== 'portValue')
    throw new Unsupported('address', 'must be a socket address with a port')
  const handshakeTimeout = millis(listener.listenerFiltersTimeout, 15_000)
  return {
    name: listener.name,
    address: socket.value.address,
    port: socket.value.portSpecifier.value,
    proxyProtocol: compileListenerFilters(listener),
    readsServerName:
      listener.listenerFilters.some(({ name }) => name === tlsInspector) &&
      listener.filterChains.some(({ filterChainMatch }) => filterChainMatch?.serverNames.length),
    firstBytesTimeout: handshakeTimeout,
    chains: listener.filterChains.map((chain, index) => compileChain(chain, handshakeTimeout, `filter_chains[${index}]`)),
  }
}

function compileListenerFilters({ listenerFilters }: Listener): ListenerConfig['proxyProtocol'] {
  let proxied: ListenerConfig['proxyProtocol']
  for (const { name, configType } of listenerFilters) {
    if (name === tlsInspector) continue
    if (name !== proxyProtocol) throw new Unsupported('listener_filters', `${name} is not supported by the embedded engine`)
    const config = unpack(
      ProxyProtocolSchema,
      configType.value as Any,
      { allow_requests_without_proxy_protocol: true, stat_prefix: true },
      'listener_filters.proxy_protocol',
    )
    proxied = config.allowRequestsWithoutProxyProtocol ? 'optional' : 'required'
  }
  return proxied
}

function compileChain(chain: FilterChain, handshakeTimeout: number, path: string): ChainConfig {
  const match = chain.filterChainMatch
  const [filter] = chain.filters
  const compile = filters[filter?.name ?? '']
  if (chain.filters.length !== 1 || !compile) throw new Unsupported(`${path}.filters`, `must be one of ${Object.keys(filters).join(', ')}`)
  if (match)
    requireSupported(
      FilterChainMatchSchema,
      match,
      { server_names: true, prefix_ranges: true, direct_source_prefix_ranges: true, source_prefix_ranges: true },
      `${path}.filter_chain_match.`,
    )
  const transport = chain.transportSocket
  return {
    match: {
      destinations: (match?.prefixRanges ?? []).map(rangeOf),
      serverNames: (match?.serverNames ?? []).map((name) => name.toLowerCase()),
      peers: (match?.directSourcePrefixRanges ?? []).map(rangeOf),
      sources: (match?.sourcePrefixRanges ?? []).map(rangeOf),
    },
    tls: transport ? compileTls(transport.configType.value as Any, `${path}.transport_socket`) : undefined,
    handshakeTimeout: millis(chain.transportSocketConnectTimeout, handshakeTimeout),
    serve: compile(filter!.configType.value as Any, `${path}.filters[0]`),
  }
}

function rangeOf({ addressPrefix, prefixLen }: CidrRange): Range {
  return { address: addressPrefix, bits: prefixLen ?? 0 }
}

function compileTls(any: Any, path: string): DownstreamTls {
  const { commonTlsContext, requireClientCertificate = false } = unpack(
    DownstreamTlsContextSchema,
    any,
    {
      common_tls_context: {
        tls_params: { tls_minimum_protocol_version: true, tls_maximum_protocol_version: true, cipher_suites: true },
        tls_certificate_sds_secret_configs: { name: true, sds_config: true },
        alpn_protocols: true,
        validation_context_sds_secret_config: { name: true, sds_config: true },
        combined_validation_context: {
          default_validation_context: {
            match_typed_subject_alt_names: { san_type: true, matcher: { exact: true } },
            verify_certificate_hash: true,
            verify_certificate_spki: true,
          },
          validation_context_sds_secret_config: { name: true, sds_config: true },
        },
      },
      require_client_certificate: true,
      disable_stateless_session_resumption: true,
      disable_stateful_session_resumption: true,
      full_scan_certs_on_sni_mismatch: true,
    },
    path,
  )
  const keypairs = commonTlsContext?.tlsCertificateSdsSecretConfigs.map(({ name }) => name) ?? []
  if (keypairs.length === 0) throw new Unsupported(`${path}.tls_certificate_sds_secret_configs`, 'is empty')
  const ciphers = commonTlsContext!.tlsParams?.cipherSuites ?? []
  return {
    keypairs,
    alpn: commonTlsContext!.alpnProtocols,
    client: compileClientCertificates(commonTlsContext!.validationContextType, requireClientCertificate, path),
    versions: tlsVersions(commonTlsContext!.tlsParams),
    // Those of TLS 1.3 are not chosen, as in Envoy.
    ciphers: ciphers.length ? [...tls13, ...ciphers].join(':') : undefined,
  }
}

const tls13 = ['TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256']

function compileClientCertificates(
  validation: CommonTlsContext['validationContextType'],
  required: boolean,
  path: string,
): ClientCertificates | undefined {
  const { case: kind, value } = validation
  if (kind === 'validationContextSdsSecretConfig') return { required, ca: value.name, names: [], hashes: [], keyHashes: [] }
  const secret = kind === 'combinedValidationContext' ? value.validationContextSdsSecretConfig : undefined
  if (kind !== 'combinedValidationContext' || !secret) {
    if (required) throw new Unsupported(`${path}.require_client_certificate`, 'needs a validation context')
    return undefined
  }
  const { matchTypedSubjectAltNames = [], verifyCertificateHash = [], verifyCertificateSpki = [] } = value.defaultValidationContext ?? {}
  return {
    required,
    ca: secret.name,
    names: [
      ...new Set(
        matchTypedSubjectAltNames.flatMap(({ matcher }) => (matcher?.matchPattern.case === 'exact' ? [matcher.matchPattern.value] : [])),
      ),
    ],
    hashes: verifyCertificateHash.map((hash) => hash.replaceAll(':', '').toLowerCase()),
    keyHashes: verifyCertificateSpki,
  }
}
