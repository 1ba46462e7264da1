import type { MessageInitShape } from '@bufbuild/protobuf'
import type { HealthCheckSchema } from '../../common/proto/gen/envoy/config/core/v3/health_check_pb.js'
import { healthCheckAnnotation, readHealthCheck, type HealthCheck } from '../../mesh/health-check.ts'
import { CodecClientType } from '../../common/proto/gen/envoy/type/v3/http_pb.js'
import type { App } from '../../mesh/records.ts'
import type { Feature } from './feature.ts'
import { duration } from './proto.ts'
import type { TranslationSettings } from './settings.ts'
import type { ClusterVariant, RouteTraits } from './traits.ts'

/**
 * The check that the apps of a route ask for by annotation, the first that does; else the operator's. Undefined where that cannot be read.
 */
export function healthCheckOf(
  apps: (App | undefined)[],
  { protocol }: Pick<RouteTraits, 'protocol'>,
  { healthCheck }: TranslationSettings,
): HealthCheck | undefined {
  const written = apps.flatMap((app) => app?.annotations[healthCheckAnnotation] ?? [])[0]
  const check = readHealthCheck(written ?? healthCheck)
  if (check === 'none') return undefined
  // Envoy refuses a cluster of HTTP/1.1 that is checked by gRPC as a whole.
  return check?.type === 'grpc' && protocol === 'http1' ? undefined : check
}

/** Host of the requests by which instances are checked. */
const host = 'health-check.mesh.internal'

/** Every status but 200, so that the first of them is not the last word: Envoy takes others for an endpoint's own word that it is ill. */
const others = [
  { start: 100n, end: 200n },
  { start: 201n, end: 600n },
]

type Checker = Extract<MessageInitShape<typeof HealthCheckSchema>, { $typeName?: never }>['healthChecker']

const checkers: Record<HealthCheck['type'], (check: HealthCheck, protocol: ClusterVariant['protocol']) => Checker> = {
  http: ({ path }, protocol) => ({
    case: 'httpHealthCheck',
    value: { host, path, retriableStatuses: others, ...(protocol === 'http2' ? { codecClientType: CodecClientType.HTTP2 } : {}) },
  }),
  tcp: () => ({ case: 'tcpHealthCheck', value: {} }),
  grpc: ({ service }) => ({ case: 'grpcHealthCheck', value: { serviceName: service, authority: host } }),
}

/**
 * Routers ask instances whether they are well, each for itself, and send requests to no other; all ill is 503. An instance that Diego takes
 * away is left at once, and a new one is asked before it gets requests.
 */
export const healthChecks: Feature = {
  cluster: ({ healthCheck: check, protocol }) => {
    if (!check) return {}
    const { type, interval, timeout, unhealthy, healthy } = check
    const every = duration(interval)
    return {
      ignoreHealthOnHostRemoval: true,
      healthChecks: [
        {
          interval: every,
          noTrafficInterval: every,
          timeout: duration(timeout),
          unhealthyThreshold: unhealthy,
          healthyThreshold: healthy,
          healthChecker: checkers[type](check, protocol),
        },
      ],
    }
  },
}
