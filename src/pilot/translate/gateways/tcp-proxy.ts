import { TcpProxySchema } from '../../../common/proto/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js'
import type { TcpTarget } from '../../rules/gateway-chains.ts'
import { nowhere } from '../../rules/rule-host.ts'
import { connectionLog } from '../access-log.ts'
import { duration, packed } from '../proto.ts'
import type { RouterNode } from '../router-node.ts'
import type { TranslationSettings } from '../settings.ts'

/**
 * Passes bytes on to one cluster, or to several by weight. Istio: VirtualService tls[] and tcp[]. Envoy: envoy.filters.network.tcp_proxy.
 */
export function tcpProxy(targets: TcpTarget[], statPrefix: string, node: RouterNode, settings: TranslationSettings) {
  const [first, ...others] = targets
  const idle = first?.policy?.connectionPool?.tcp?.idleTimeout ?? settings.streamIdleTimeout
  return {
    name: 'envoy.filters.network.tcp_proxy',
    configType: {
      case: 'typedConfig' as const,
      value: packed(TcpProxySchema, {
        statPrefix,
        idleTimeout: duration(idle),
        accessLog: connectionLog(node),
        clusterSpecifier: others.length
          ? { case: 'weightedClusters', value: { clusters: targets.map(({ cluster, weight }) => ({ name: cluster, weight })) } }
          : { case: 'cluster', value: first?.cluster ?? nowhere },
      }),
    },
  }
}
