import { create } from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import { ListenerSchema } from '../../common/proto/gen/envoy/config/listener/v3/listener_pb.js'
import { ProxyProtocolSchema } from '../../common/proto/gen/envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol_pb.js'
import { TlsInspectorSchema } from '../../common/proto/gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.js'
import { HttpConnectionManagerSchema } from '../../common/proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js'
import { HeaderMutationSchema as EarlyHeaderMutationSchema } from '../../common/proto/gen/envoy/extensions/http/early_header_mutation/header_mutation/v3/header_mutation_pb.js'
import { RouterSchema } from '../../common/proto/gen/envoy/extensions/filters/http/router/v3/router_pb.js'
import { UpstreamCodecSchema } from '../../common/proto/gen/envoy/extensions/filters/http/upstream_codec/v3/upstream_codec_pb.js'
import { encodeResource, type Resource } from '../../common/xds/resources.ts'
import { downstreamTls } from './downstream-tls.ts'
import { together, type FilterInit, type ListenerContext } from './feature.ts'
import { features } from './features.ts'
import { extension, packed, socketAddress } from './proto.ts'
import type { ListenerSpec, RouterNode } from './router-node.ts'
import { shapeOf } from './routing-shape.ts'
import { ruleFeatures } from './rules/features.ts'
import type { TranslationSettings } from './settings.ts'

/** The listeners of one router, as its node asks for them. */
export function listenersFor(node: RouterNode, settings: TranslationSettings): Resource[] {
  return node.listeners.map((listener) => encodeResource(ListenerSchema, listener.name, create(ListenerSchema, listenerOf(listener, node, settings))))
}

function listenerOf(listener: ListenerSpec, node: RouterNode, settings: TranslationSettings) {
  return {
    name: listener.name,
    address: socketAddress(listener.address, listener.port),
    perConnectionBufferLimitBytes: 65_536,
    listenerFilters: [
      ...(listener.proxyProtocol ? [named('envoy.filters.listener.proxy_protocol', packed(ProxyProtocolSchema, {}))] : []),
      ...(listener.tls ? [named('envoy.filters.listener.tls_inspector', packed(TlsInspectorSchema, {}))] : []),
    ],
    filterChains: chains(listener, node, settings),
  }
}

/**
 * One filter chain; or two where only some addresses are trusted: for connections from there, whose `X-Forwarded-*` are
 * believed, and for all others, whose are not.
 */
function chains(listener: ListenerSpec, node: RouterNode, settings: TranslationSettings) {
  const chain = (trustedHops: number) => ({
    filters: [named('envoy.filters.network.http_connection_manager', managerOf({ settings, node, listener, trustedHops }))],
    ...(listener.tls ? downstreamTls(listener, node, settings) : {}),
  })
  if (node.trustedCidrs.length === 0) return [{ name: 'all', ...chain(node.trustedHops) }]
  const directSourcePrefixRanges = node.trustedCidrs.map((cidr) => {
    const [addressPrefix, length] = cidr.split('/') as [string, string]
    return { addressPrefix, prefixLen: Number(length) }
  })
  return [
    { name: 'trusted', filterChainMatch: { directSourcePrefixRanges }, ...chain(Math.max(1, node.trustedHops)) },
    { name: 'others', ...chain(0) },
  ]
}

function managerOf(context: ListenerContext) {
  const { listener } = context
  const base = {
    statPrefix: listener.name,
    earlyHeaderMutationExtensions: [
      extension('envoy.http.early_header_mutation.header_mutation', EarlyHeaderMutationSchema, {
        mutations: features.flatMap((feature) => feature.early?.(context) ?? []),
      }),
    ],
    httpFilters: [...filters('filter', context), ...ruleFilters(context), routerFilter(context)],
  }
  return packed(HttpConnectionManagerSchema, together([base, ...features.flatMap((feature) => feature.manager?.(context) ?? [])]))
}

/**
 * Filters of rules are off except where a route says something to them; an engine that has no such filter can do without. Envoy asks
 * the route that it knows when the request begins: where it is not known yet they are on, and do nothing unless the route says something.
 */
function ruleFilters({ settings }: ListenerContext): FilterInit[] {
  const disabled = shapeOf(settings).routedFirst
  return ruleFeatures.flatMap(({ filter }) => (filter ? [{ ...named(filter.name, filter.config), disabled, isOptional: true }] : []))
}

function routerFilter(context: ListenerContext): FilterInit {
  const codec = named('envoy.filters.http.upstream_codec', packed(UpstreamCodecSchema, {}))
  const router = packed(RouterSchema, { suppressEnvoyHeaders: true, upstreamHttpFilters: [...filters('upstreamFilter', context), codec] })
  return named('envoy.filters.http.router', router)
}

function filters(kind: 'filter' | 'upstreamFilter', context: ListenerContext): FilterInit[] {
  return features.flatMap((feature) => feature[kind]?.(context) ?? [])
}

function named(name: string, value: Any) {
  return { name, configType: { case: 'typedConfig' as const, value } }
}
