import { RoutingPriority } from '../../common/proto/gen/envoy/config/core/v3/base_pb.js'
import type { Feature } from './feature.ts'

const unlimited = 4_294_967_295

/** No limits on connections, requests and retries: Envoy's defaults (1024, 1024, 3) would refuse requests that an app could serve. */
export const circuitBreakers: Feature = {
  cluster: () => ({
    circuitBreakers: {
      thresholds: [
        { priority: RoutingPriority.DEFAULT, maxConnections: unlimited, maxPendingRequests: unlimited, maxRequests: unlimited, maxRetries: unlimited },
      ],
    },
  }),
}
