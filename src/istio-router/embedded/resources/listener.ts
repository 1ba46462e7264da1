import { fromBinary } from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import type { CidrRange } from '../../../common/proto/gen/envoy/config/core/v3/address_pb.js'
import type { FilterChain } from '../../../common/proto/gen/envoy/config/listener/v3/listener_components_pb.js'
import { ListenerSchema, type Listener } from '../../../common/proto/gen/envoy/config/listener/v3/listener_pb.js'
import { ProxyProtocolSchema } from '../../../common/proto/gen/envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol_pb.js'
import { DownstreamTlsContextSchema } from '../../../common/proto/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js'
import { compileManager, type ManagerConfig } from './manager.ts'
import { Unsupported, millis, requireSupported, unpack } from './support.ts'
import { tlsVersions, type TlsVersions } from './upstream-tls.ts'

/** A socket to listen on, and what is spoken there. */
export interface ListenerConfig {
  name: string
  address: string
  port: number
  proxyProtocol: 'required' | 'optional' | undefined
  /** The chain of a connection is the one whose source range fits best; one without ranges fits all. */
  chains: ChainConfig[]
}

export interface ChainConfig {
  /** Ranges for the peer itself, and for the address that PROXY protocol tells of it. */
  peers: Range[]
  sources: Range[]
  tls: DownstreamTls | undefined
  /** Time a new connection has to show what it speaks, milliseconds. */
  handshakeTimeout: number
  manager: ManagerConfig
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
  /** Name of the secret with the CAs of clients' certificates, where these are asked for one. */
  clientCa: string | undefined
  requireClientCertificate: boolean
  versions: TlsVersions
}

const tlsInspector = 'envoy.filters.listener.tls_inspector'
const proxyProtocol = 'envoy.filters.listener.proxy_protocol'
const connectionManager = 'envoy.filters.network.http_connection_manager'

/** Compiles an `envoy.config.listener.v3.Listener`. Throws `Unsupported`. */
export function compileListener(bytes: Uint8Array): ListenerConfig {
  const listener = fromBinary(ListenerSchema, bytes)
  requireSupported(ListenerSchema, listener, {
    name: true, address: { socket_address: { address: true, port_value: true, protocol: true, ipv4_compat: true } }, filter_chains: true, listener_filters: true, listener_filters_timeout: true,
    per_connection_buffer_limit_bytes: true, stat_prefix: true, metadata: true, traffic_direction: true, enable_reuse_port: true, tcp_backlog_size: true, ignore_global_conn_limit: true,
    bypass_overload_manager: true, connection_balance_config: true, max_connections_to_accept_per_socket_event: true,
  })
  const socket = listener.address?.address
  if (socket?.case !== 'socketAddress' || socket.value.portSpecifier.case !== 'portValue') throw new Unsupported('address', 'must be a socket address with a port')
  const handshakeTimeout = millis(listener.listenerFiltersTimeout, 15_000)
  return {
    name: listener.name,
    address: socket.value.address,
    port: socket.value.portSpecifier.value,
    proxyProtocol: compileListenerFilters(listener),
    chains: listener.filterChains.map((chain, index) => compileChain(chain, handshakeTimeout, `filter_chains[${index}]`)),
  }
}

function compileListenerFilters({ listenerFilters }: Listener): ListenerConfig['proxyProtocol'] {
  let proxied: ListenerConfig['proxyProtocol']
  for (const { name, configType } of listenerFilters) {
    if (name === tlsInspector) continue
    if (name !== proxyProtocol) throw new Unsupported('listener_filters', `${name} is not supported by the embedded engine`)
    const config = unpack(ProxyProtocolSchema, configType.value as Any, { allow_requests_without_proxy_protocol: true, stat_prefix: true }, 'listener_filters.proxy_protocol')
    proxied = config.allowRequestsWithoutProxyProtocol ? 'optional' : 'required'
  }
  return proxied
}

function compileChain(chain: FilterChain, handshakeTimeout: number, path: string): ChainConfig {
  const match = chain.filterChainMatch
  const [filter] = chain.filters
  if (chain.filters.length !== 1 || filter?.name !== connectionManager) throw new Unsupported(`${path}.filters`, `must be one ${connectionManager}`)
  if (match?.serverNames.length || match?.applicationProtocols.length || match?.destinationPort || match?.prefixRanges.length || match?.sourceType || match?.sourcePorts.length) {
    throw new Unsupported(`${path}.filter_chain_match`, 'only source ranges are supported by the embedded engine')
  }
  const transport = chain.transportSocket
  return {
    peers: (match?.directSourcePrefixRanges ?? []).map(rangeOf),
    sources: (match?.sourcePrefixRanges ?? []).map(rangeOf),
    tls: transport ? compileTls(transport.configType.value as Any, `${path}.transport_socket`) : undefined,
    handshakeTimeout: millis(chain.transportSocketConnectTimeout, handshakeTimeout),
    manager: compileManager(filter.configType.value as Any),
  }
}

function rangeOf({ addressPrefix, prefixLen }: CidrRange): Range {
  return { address: addressPrefix, bits: prefixLen ?? 0 }
}

function compileTls(any: Any, path: string): DownstreamTls {
  const { commonTlsContext, requireClientCertificate = false } = unpack(DownstreamTlsContextSchema, any, {
    common_tls_context: {
      tls_params: { tls_minimum_protocol_version: true, tls_maximum_protocol_version: true },
      tls_certificate_sds_secret_configs: { name: true, sds_config: true },
      alpn_protocols: true,
      validation_context_sds_secret_config: { name: true, sds_config: true },
    },
    require_client_certificate: true,
    disable_stateless_session_resumption: true,
    disable_stateful_session_resumption: true,
    full_scan_certs_on_sni_mismatch: true,
  }, path)
  const keypairs = commonTlsContext?.tlsCertificateSdsSecretConfigs.map(({ name }) => name) ?? []
  if (keypairs.length === 0) throw new Unsupported(`${path}.tls_certificate_sds_secret_configs`, 'is empty')
  const validation = commonTlsContext!.validationContextType
  const clientCa = validation.case === 'validationContextSdsSecretConfig' ? validation.value.name : undefined
  if (requireClientCertificate && clientCa === undefined) throw new Unsupported(`${path}.require_client_certificate`, 'needs a validation context')
  return { keypairs, alpn: commonTlsContext!.alpnProtocols, clientCa, requireClientCertificate, versions: tlsVersions(commonTlsContext!.tlsParams) }
}
