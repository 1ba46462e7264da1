import { create, type MessageInitShape } from '@bufbuild/protobuf'
import type { FilterChainSchema } from '../../common/proto/gen/envoy/config/listener/v3/listener_components_pb.js'
import { ListenerSchema } from '../../common/proto/gen/envoy/config/listener/v3/listener_pb.js'
import { ProxyProtocolSchema } from '../../common/proto/gen/envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol_pb.js'
import { TlsInspectorSchema } from '../../common/proto/gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.js'
import { encodeResource, type Resource } from '../../common/xds/resources.ts'
import type { GatewayChain } from '../rules/gateway-chains.ts'
import { connectionManager } from './connection-manager.ts'
import { downstreamTls, serverDownstreamTls } from './downstream-tls.ts'
import { everywhere, rangesOf } from './gateways/everywhere.ts'
import { boundPort, istioPort } from './gateways/ports.ts'
import { tcpProxy } from './gateways/tcp-proxy.ts'
import { named, packed, socketAddress } from './proto.ts'
import type { ListenerSpec, RouterNode } from './router-node.ts'
import type { TranslationSettings } from './settings.ts'

/**
 * What a router holds of a request or an answer for a peer that does not take it, bytes; what is kept of a body for another try, too. Where
 * an answer is larger Envoy stops and begins reading it anew, *measured* eight system calls of fifteen at 100 KB and half of this.
 */
const connectionBuffer = 131_072

type FilterChain = Extract<MessageInitShape<typeof FilterChainSchema>, { $typeName?: never }>

/**
 * The listeners of one router: those that its node asks for, with what `gateways` add to them, and those of further ports that `gateways`
 * open.
 */
export function listenersFor(node: RouterNode, settings: TranslationSettings, gateways: GatewayChain[] = []): Resource[] {
  const byPort = Map.groupBy(gateways, ({ arrival }) => boundPort(node, arrival.port))
  const own = node.listeners.map((listener) => {
    const mine = listener.exposure === 'pub' ? (byPort.get(listener.port) ?? []) : []
    // Without names in the handshake, a connection is the listener's own.
    return listenerOf(
      listener,
      node,
      settings,
      mine.filter(({ serverNames }) => serverNames.length),
    )
  })
  const [model] = node.listeners.filter(({ exposure }) => exposure === 'pub')
  const taken = new Set(node.listeners.map(({ port }) => port))
  const further = [...byPort].flatMap(([port, chains]): Resource[] => {
    if (!model || taken.has(port)) return []
    return [
      listenerOf(
        { ...model, name: `gateway-${chains[0]!.arrival.port}`, port, tls: false, clientCertificates: 'none' },
        node,
        settings,
        chains,
        false,
      ),
    ]
  })
  return [...own, ...further]
}

function listenerOf(
  listener: ListenerSpec,
  node: RouterNode,
  settings: TranslationSettings,
  gateways: GatewayChain[],
  builtIn = true,
): Resource {
  const chains = everywhere(gateways)
  const fromGateways = chains.flatMap((chain) => gatewayFilterChains(chain, listener, node, settings))
  const sees = listener.tls || gateways.some(({ serverNames }) => serverNames.length)
  const init = {
    name: listener.name,
    address: socketAddress(listener.address, listener.port),
    perConnectionBufferLimitBytes: connectionBuffer,
    listenerFilters: [
      ...(listener.proxyProtocol ? [named('envoy.filters.listener.proxy_protocol', packed(ProxyProtocolSchema, {}))] : []),
      ...(sees ? [named('envoy.filters.listener.tls_inspector', packed(TlsInspectorSchema, {}))] : []),
    ],
    filterChains: [
      ...(builtIn ? [undefined, ...rangesOf(chains)].flatMap((range) => ownChains(listener, node, settings, range)) : []),
      ...fromGateways,
    ],
  }
  return encodeResource(ListenerSchema, listener.name, create(ListenerSchema, init))
}

/** The listener's own chains, once more for each range of addresses that Gateways have chains for. */
function ownChains(listener: ListenerSpec, node: RouterNode, settings: TranslationSettings, range: string | undefined): FilterChain[] {
  return byTrust(node).map(({ name, match, trustedHops }) => ({
    name: range === undefined ? name : `${name} ${range}`,
    ...(match || range !== undefined
      ? { filterChainMatch: { ...match, ...(range === undefined ? {} : { prefixRanges: [rangeOf(range)] }) } }
      : {}),
    filters: [connectionManager({ settings, node, listener, trustedHops, port: istioPort(node, listener) })],
    ...(listener.tls ? downstreamTls(listener, node, settings) : {}),
  }))
}

function gatewayFilterChains(
  { id, arrival, serverNames, subnets, tls, tcp }: GatewayChain,
  listener: ListenerSpec,
  node: RouterNode,
  settings: TranslationSettings,
): FilterChain[] {
  const match = {
    ...(serverNames.length ? { serverNames } : {}),
    ...(subnets.length ? { prefixRanges: subnets.map(rangeOf) } : {}),
  }
  const name = [id, ...serverNames, ...subnets].join(' ')
  const secured = tls ? serverDownstreamTls(tls, !tcp, settings) : {}
  if (tcp) return [{ name, filterChainMatch: match, filters: [tcpProxy(tcp, listener.name, node, settings)], ...secured }]
  const clientCertificates = !tls?.ca ? 'none' : tls.requireCertificate ? 'required' : 'optional'
  return byTrust(node).map(({ name: trust, match: from, trustedHops }) => ({
    name: `${name} ${trust}`,
    filterChainMatch: { ...match, ...from },
    filters: [
      connectionManager({
        settings,
        node,
        listener: { ...listener, tls: tls !== undefined, clientCertificates },
        trustedHops,
        port: arrival.port,
        ...(tls ? { gateway: id } : {}),
      }),
    ],
    ...secured,
  }))
}

/**
 * One filter chain; or two where only some addresses are trusted: for connections from there, whose `X-Forwarded-*` are believed, and for
 * all others, whose are not.
 */
function byTrust({ trustedCidrs, trustedHops }: RouterNode) {
  if (trustedCidrs.length === 0) return [{ name: 'all', match: undefined, trustedHops }]
  return [
    { name: 'trusted', match: { directSourcePrefixRanges: trustedCidrs.map(rangeOf) }, trustedHops: Math.max(1, trustedHops) },
    { name: 'others', match: undefined, trustedHops: 0 },
  ]
}

function rangeOf(cidr: string) {
  const [addressPrefix, length] = cidr.split('/') as [string, string]
  return { addressPrefix, prefixLen: Number(length) }
}
