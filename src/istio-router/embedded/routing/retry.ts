import { RetryPolicySchema, type RetryPolicy } from '../../../common/proto/gen/envoy/config/route/v3/route_components_pb.js'
import type { Failure } from '../http/failure.ts'
import { Unsupported, millis, requireSupported } from '../resources/support.ts'

/** When and how often a request is tried again; times in milliseconds. */
export interface Retries {
  limit: number
  perTryTimeout: number
  /** True for a failed try that may be repeated. */
  onFailure: (failure: Failure) => boolean
  /** True for a status that asks for another try. */
  onStatus: ((status: number) => boolean) | undefined
  /** Choose an endpoint that was not tried before. */
  avoidPrevious: boolean
  /** Time to wait before the `n`th retry, counted from 1. */
  backoff: (n: number) => number
}

const failureConditions: Record<string, (failure: Failure) => boolean> = {
  'connect-failure': ({ flag, unsent }) => flag === 'UF' && unsent,
  'refused-stream': ({ flag, unsent }) => flag === 'UR' && unsent,
  'reset-before-request': ({ unsent }) => unsent,
  reset: () => true,
  '5xx': () => true,
  'gateway-error': () => true,
}

const statusConditions: Record<string, (status: number) => boolean> = {
  '5xx': (status) => status >= 500,
  'gateway-error': (status) => status >= 502 && status <= 504,
  'retriable-4xx': (status) => status === 409,
}

/** Compiles a `RetryPolicy`. Throws `Unsupported`. */
export function compileRetries(policy: RetryPolicy | undefined, at: string): Retries | undefined {
  if (!policy || policy.retryOn.trim() === '') return undefined
  requireSupported(RetryPolicySchema, policy, {
    retry_on: true, num_retries: true, per_try_timeout: true, retry_host_predicate: true, host_selection_retry_max_attempts: true, retriable_status_codes: true,
    retry_back_off: { base_interval: true, max_interval: true },
  }, `${at}.`)
  const failures: ((failure: Failure) => boolean)[] = []
  const statuses: ((status: number) => boolean)[] = []
  for (const condition of policy.retryOn.split(',').map((word) => word.trim())) {
    const onFailure = failureConditions[condition]
    const onStatus = condition === 'retriable-status-codes' ? (status: number) => policy.retriableStatusCodes.includes(status) : statusConditions[condition]
    if (!onFailure && !onStatus) throw new Unsupported(`${at}.retry_on`, `${condition} is not supported by the embedded engine`)
    if (onFailure) failures.push(onFailure)
    if (onStatus) statuses.push(onStatus)
  }
  for (const { name } of policy.retryHostPredicate) {
    if (name !== 'envoy.retry_host_predicates.previous_hosts') throw new Unsupported(`${at}.retry_host_predicate`, `${name} is not supported by the embedded engine`)
  }
  const base = millis(policy.retryBackOff?.baseInterval, 25)
  const max = millis(policy.retryBackOff?.maxInterval, base * 10)
  return {
    limit: policy.numRetries ?? 1,
    perTryTimeout: millis(policy.perTryTimeout, 0),
    onFailure: (failure) => failures.some((condition) => condition(failure)),
    onStatus: statuses.length > 0 ? (status) => statuses.some((condition) => condition(status)) : undefined,
    avoidPrevious: policy.retryHostPredicate.length > 0,
    backoff: (n) => Math.random() * Math.min(max, base * 2 ** (n - 1)),
  }
}
