import { RoutingPriority } from '../../common/proto/gen/envoy/config/core/v3/base_pb.js'
import type { Feature } from './feature.ts'
import { seconds } from './proto.ts'

const unlimited = 4_294_967_295

/**
 * No limits on connections, requests and retries: Envoy's defaults (1024, 1024, 3) would refuse requests that an app could serve. A
 * DestinationRule's connectionPool sets them, and how connections are kept alive.
 */
export const circuitBreakers: Feature = {
  cluster: ({ policy }) => {
    const { tcp, http } = policy?.connectionPool ?? {}
    const keepalive = tcp?.tcpKeepalive
    const budget = policy?.retryBudget
    return {
      circuitBreakers: {
        thresholds: [
          {
            priority: RoutingPriority.DEFAULT,
            maxConnections: tcp?.maxConnections || unlimited,
            maxPendingRequests: http?.http1MaxPendingRequests || unlimited,
            maxRequests: http?.http2MaxRequests || unlimited,
            ...(budget ? {} : { maxRetries: http?.maxRetries || unlimited }),
            ...(budget
              ? { retryBudget: { budgetPercent: { value: budget.percent ?? 20 }, minRetryConcurrency: budget.minRetryConcurrency ?? 3 } }
              : {}),
          },
        ],
      },
      ...(keepalive
        ? {
            upstreamConnectionOptions: {
              tcpKeepalive: {
                ...(keepalive.probes ? { keepaliveProbes: keepalive.probes } : {}),
                ...(keepalive.time ? { keepaliveTime: Math.ceil(seconds(keepalive.time)) } : {}),
                ...(keepalive.interval ? { keepaliveInterval: Math.ceil(seconds(keepalive.interval)) } : {}),
              },
            },
          }
        : {}),
    }
  },
}
