import {
  HealthCheck_GrpcHealthCheckSchema,
  HealthCheck_HttpHealthCheckSchema,
  HealthCheck_TcpHealthCheckSchema,
  HealthCheckSchema,
  type HealthCheck,
} from '../../../common/proto/gen/envoy/config/core/v3/health_check_pb.js'
import { CodecClientType } from '../../../common/proto/gen/envoy/type/v3/http_pb.js'
import { Unsupported, millis, requireSupported } from './support.ts'

/** How endpoints are asked whether they are well; times in milliseconds. */
export interface HealthCheckConfig {
  question: Question
  interval: number
  timeout: number
  /** Answers in a row after which an endpoint counts as ill, and as well again. */
  unhealthy: number
  healthy: number
}

/** What an endpoint is asked: whether a path answers 200, whether it takes connections, or a service of grpc.health.v1. */
export type Question =
  { kind: 'http'; host: string; path: string; version: 1 | 2 } | { kind: 'tcp' } | { kind: 'grpc'; host: string; service: string }

/** Compiles the health check of a cluster, which has one at most. Throws `Unsupported`. */
export function compileHealthCheck(messages: HealthCheck[]): HealthCheckConfig | undefined {
  const [message, ...others] = messages
  if (!message) return undefined
  if (others.length) throw new Unsupported('health_checks', 'only one is supported by the embedded engine')
  const at = 'health_checks[0].'
  requireSupported(
    HealthCheckSchema,
    message,
    {
      interval: true,
      no_traffic_interval: true,
      timeout: true,
      unhealthy_threshold: true,
      healthy_threshold: true,
      http_health_check: true,
      tcp_health_check: true,
      grpc_health_check: true,
    },
    at,
  )
  return {
    question: compileQuestion(message, at),
    interval: millis(message.interval, 5000),
    timeout: millis(message.timeout, 1000),
    unhealthy: message.unhealthyThreshold ?? 1,
    healthy: message.healthyThreshold ?? 1,
  }
}

function compileQuestion({ healthChecker: { case: kind, value } }: HealthCheck, at: string): Question {
  switch (kind) {
    case 'httpHealthCheck':
      requireSupported(
        HealthCheck_HttpHealthCheckSchema,
        value,
        { host: true, path: true, codec_client_type: true, retriable_statuses: true },
        `${at}http_health_check.`,
      )
      return { kind: 'http', host: value.host, path: value.path, version: value.codecClientType === CodecClientType.HTTP2 ? 2 : 1 }
    case 'tcpHealthCheck':
      requireSupported(HealthCheck_TcpHealthCheckSchema, value, {}, `${at}tcp_health_check.`)
      return { kind: 'tcp' }
    case 'grpcHealthCheck':
      requireSupported(HealthCheck_GrpcHealthCheckSchema, value, { service_name: true, authority: true }, `${at}grpc_health_check.`)
      return { kind: 'grpc', host: value.authority, service: value.serviceName }
    default:
      throw new Unsupported(`${at}${kind ?? 'health_checker'}`)
  }
}
