import type { Any } from '@bufbuild/protobuf/wkt'
import { HttpProtocolOptions_HeadersWithUnderscoresAction as Underscores } from '../../../common/proto/gen/envoy/config/core/v3/protocol_pb.js'
import { HeaderMutationSchema } from '../../../common/proto/gen/envoy/extensions/http/early_header_mutation/header_mutation/v3/header_mutation_pb.js'
import {
  HttpConnectionManager_ForwardClientCertDetails as CertDetails,
  HttpConnectionManager_PathWithEscapedSlashesAction as EscapedSlashes,
  HttpConnectionManager_ServerHeaderTransformation as ServerHeader,
  HttpConnectionManagerSchema,
  type HttpConnectionManager,
} from '../../../common/proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js'
import { compileChain, type FilterChain } from '../filters/filters.ts'
import { compileMutations, inOrder, type Mutation } from '../http/mutation.ts'
import { compileString } from '../http/string-matcher.ts'
import { compileAccessLogs, type AccessLogConfig } from './access-log.ts'
import { compileLocalReplies, type LocalReplies } from './local-reply.ts'
import { Unsupported, millis, unpack } from './support.ts'

/** One RouteConfiguration by its name; or, of those that scopes name, the one whose key a header of the request is. */
export type RouteSource = { name: string } | { header: string }

/** How HTTP is served on a listener; times in milliseconds, 0 for none. */
export interface ManagerConfig {
  /** Where its routes are. */
  routes: RouteSource
  chain: FilterChain
  early: Mutation | undefined
  accessLogs: AccessLogConfig[]
  replies: LocalReplies
  useRemoteAddress: boolean
  trustedHops: number
  appendXff: boolean
  forwardClientCertificate: boolean
  keepRequestId: boolean
  generateRequestId: boolean
  requestIdInResponse: boolean
  normalizePath: boolean
  upgrades: ReadonlySet<string>
  /** Whether an offer to upgrade is passed over. */
  ignoresUpgrade: (protocol: string) => boolean
  maxHeaderBytes: number
  maxHeaderCount: number
  underscores: 'allow' | 'reject' | 'drop'
  acceptHttp10: boolean
  headersTimeout: number
  requestTimeout: number
  streamIdleTimeout: number
  idleTimeout: number
  http2: { maxStreams: number; streamWindow: number; connectionWindow: number }
}

const supported = {
  codec_type: true,
  stat_prefix: true,
  rds: { config_source: true, route_config_name: true },
  scoped_routes: { name: true, scope_key_builder: true, rds_config_source: true, scoped_rds: true },
  http_filters: true,
  common_http_protocol_options: { idle_timeout: true, max_headers_count: true, headers_with_underscores_action: true },
  http_protocol_options: {
    accept_http_10: true,
    enable_trailers: true,
    allow_absolute_url: true,
    allow_custom_methods: true,
    ignore_http_11_upgrade: true,
  },
  http2_protocol_options: {
    max_concurrent_streams: true,
    initial_stream_window_size: true,
    initial_connection_window_size: true,
    allow_connect: true,
    max_outbound_frames: true,
    max_outbound_control_frames: true,
    override_stream_error_on_invalid_http_message: true,
    hpack_table_size: true,
  },
  server_header_transformation: true,
  max_request_headers_kb: true,
  stream_idle_timeout: true,
  request_timeout: true,
  request_headers_timeout: true,
  drain_timeout: true,
  delayed_close_timeout: true,
  access_log: true,
  use_remote_address: true,
  xff_num_trusted_hops: true,
  skip_xff_append: true,
  internal_address_config: true,
  early_header_mutation_extensions: true,
  generate_request_id: true,
  preserve_external_request_id: true,
  always_set_request_id_in_response: true,
  forward_client_cert_details: true,
  set_current_client_cert_details: { subject: true, dns: true },
  proxy_100_continue: true,
  upgrade_configs: { upgrade_type: true, enabled: true },
  normalize_path: true,
  merge_slashes: true,
  path_with_escaped_slashes_action: true,
  local_reply_config: true,
  stream_error_on_invalid_http_message: true,
  strip_any_host_port: true,
  strip_trailing_host_dot: true,
} as const

/** Compiles an `HttpConnectionManager`. Throws `Unsupported`. */
export function compileManager(any: Any | undefined): ManagerConfig {
  const manager = unpack(HttpConnectionManagerSchema, any, supported, 'http_connection_manager')
  requireMeaning(manager)
  const common = manager.commonHttpProtocolOptions
  return {
    routes: compileRouteSource(manager.routeSpecifier),
    chain: compileChain(manager.httpFilters),
    early: compileEarly(manager),
    accessLogs: compileAccessLogs(manager.accessLog),
    replies: compileLocalReplies(manager.localReplyConfig),
    useRemoteAddress: manager.useRemoteAddress ?? false,
    trustedHops: manager.xffNumTrustedHops,
    appendXff: !manager.skipXffAppend,
    forwardClientCertificate: manager.forwardClientCertDetails === CertDetails.SANITIZE_SET,
    keepRequestId: manager.preserveExternalRequestId,
    generateRequestId: manager.generateRequestId ?? true,
    requestIdInResponse: manager.alwaysSetRequestIdInResponse,
    normalizePath: manager.normalizePath ?? false,
    upgrades: new Set(
      manager.upgradeConfigs.filter(({ enabled }) => enabled !== false).map(({ upgradeType }) => upgradeType.toLowerCase()),
    ),
    ignoresUpgrade: compileIgnored(manager),
    maxHeaderBytes: (manager.maxRequestHeadersKb ?? 60) * 1024,
    maxHeaderCount: common?.maxHeadersCount ?? 100,
    underscores: underscores[common?.headersWithUnderscoresAction ?? Underscores.ALLOW],
    acceptHttp10: manager.httpProtocolOptions?.acceptHttp10 ?? false,
    headersTimeout: millis(manager.requestHeadersTimeout, 0),
    requestTimeout: millis(manager.requestTimeout, 0),
    streamIdleTimeout: millis(manager.streamIdleTimeout, 300_000),
    idleTimeout: millis(common?.idleTimeout, 3_600_000),
    http2: {
      maxStreams: manager.http2ProtocolOptions?.maxConcurrentStreams ?? 1024,
      streamWindow: Math.min(manager.http2ProtocolOptions?.initialStreamWindowSize ?? 262_144, 1_048_576),
      connectionWindow: Math.min(manager.http2ProtocolOptions?.initialConnectionWindowSize ?? 1_048_576, 16_777_216),
    },
  }
}

/** As in Envoy, a request to upgrade to h2c is served as it is. */
function compileIgnored({ httpProtocolOptions }: HttpConnectionManager): (protocol: string) => boolean {
  const matchers = (httpProtocolOptions?.ignoreHttp11Upgrade ?? []).map((matcher) => compileString(matcher, 'ignore_http_11_upgrade'))
  return (protocol) => protocol === 'h2c' || matchers.some((matches) => matches(protocol))
}

function compileRouteSource(specifier: HttpConnectionManager['routeSpecifier']): RouteSource {
  if (specifier.case === 'rds') return { name: specifier.value.routeConfigName }
  if (specifier.case !== 'scopedRoutes') throw new Unsupported('route_specifier', 'must be rds or scoped_routes')
  const [fragment, ...others] = specifier.value.scopeKeyBuilder?.fragments ?? []
  const header = fragment?.type.case === 'headerValueExtractor' ? fragment.type.value : undefined
  if (
    !header ||
    others.length > 0 ||
    header.extractType.case !== 'index' ||
    header.extractType.value !== 0 ||
    header.elementSeparator !== ''
  ) {
    throw new Unsupported('scoped_routes.scope_key_builder', 'must be one whole header')
  }
  return { header: header.name.toLowerCase() }
}

const underscores = { [Underscores.ALLOW]: 'allow', [Underscores.REJECT_REQUEST]: 'reject', [Underscores.DROP_HEADER]: 'drop' } as const

/** Refuses values of known fields that this engine gives another meaning. */
function requireMeaning(manager: HttpConnectionManager): void {
  const slashes = manager.pathWithEscapedSlashesAction
  if (slashes !== EscapedSlashes.KEEP_UNCHANGED && slashes !== EscapedSlashes.IMPLEMENTATION_SPECIFIC_DEFAULT)
    throw new Unsupported('path_with_escaped_slashes_action', 'must be KEEP_UNCHANGED')
  if (manager.mergeSlashes !== (manager.normalizePath ?? false))
    throw new Unsupported('merge_slashes', 'must be the same as normalize_path')
  const { forwardClientCertDetails: forward, setCurrentClientCertDetails: details } = manager
  if (forward !== CertDetails.SANITIZE && forward !== CertDetails.SANITIZE_SET)
    throw new Unsupported('forward_client_cert_details', 'must be SANITIZE or SANITIZE_SET')
  if (forward === CertDetails.SANITIZE_SET && !(details?.subject && details.dns))
    throw new Unsupported('set_current_client_cert_details', 'must be subject and dns')
  if (manager.serverHeaderTransformation !== ServerHeader.PASS_THROUGH)
    throw new Unsupported('server_header_transformation', 'must be PASS_THROUGH')
}

function compileEarly(manager: HttpConnectionManager): Mutation | undefined {
  return inOrder(
    manager.earlyHeaderMutationExtensions.flatMap(({ typedConfig }, index) => {
      const { mutations } = unpack(HeaderMutationSchema, typedConfig, { mutations: true }, `early_header_mutation_extensions[${index}]`)
      return compileMutations(mutations) ?? []
    }),
  )
}
