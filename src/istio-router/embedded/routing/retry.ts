import { RetryPolicySchema, type RetryPolicy } from '../../../common/proto/gen/envoy/config/route/v3/route_components_pb.js'
import { PreviousPrioritiesConfigSchema } from '../../../common/proto/gen/envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config_pb.js'
import type { Headers } from '../http/headers.ts'
import type { Failure } from '../http/failure.ts'
import { Unsupported, millis, requireSupported, unpack } from '../resources/support.ts'

/** When and how often a request is tried again; times in milliseconds. */
export interface Retries {
  limit: number
  perTryTimeout: number
  /** True for a failed try that may be repeated. */
  onFailure: (failure: Failure) => boolean
  /** True for the head of a response that asks for another try. */
  onResponse: ((status: number, headers: Headers) => boolean) | undefined
  /** What has reached an app may be sent again, so that bodies are kept. */
  keepsBody: boolean
  /** Choose an endpoint that was not tried before. */
  avoidPrevious: boolean
  /** After so many tries, the priorities that were asked are left out of the next as long as there are others; 0 for never. */
  leavePriorities: number
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

type OnResponse = (status: number, headers: Headers) => boolean

const grpc =
  (code: string): OnResponse =>
  (_status, headers) =>
    headers.get('grpc-status') === code

const responseConditions: Record<string, (policy: RetryPolicy) => OnResponse> = {
  '5xx': () => (status) => status >= 500,
  'gateway-error': () => (status) => status >= 502 && status <= 504,
  'retriable-4xx': () => (status) => status === 409,
  'retriable-status-codes':
    ({ retriableStatusCodes: codes }) =>
    (status) =>
      codes.includes(status),
  // Which headers these are a request would say, in a header that clients may not send.
  'retriable-headers': () => () => false,
  'http3-post-connect-failure': () => () => false,
  'envoy-ratelimited': () => (_status, headers) => headers.has('x-envoy-ratelimited'),
  cancelled: () => grpc('1'),
  'deadline-exceeded': () => grpc('4'),
  'resource-exhausted': () => grpc('8'),
  internal: () => grpc('13'),
  unavailable: () => grpc('14'),
}

/** Compiles a `RetryPolicy`. Throws `Unsupported`. */
export function compileRetries(policy: RetryPolicy | undefined, at: string): Retries | undefined {
  if (!policy || policy.retryOn.trim() === '') return undefined
  requireSupported(
    RetryPolicySchema,
    policy,
    {
      retry_on: true,
      num_retries: true,
      per_try_timeout: true,
      retry_host_predicate: true,
      host_selection_retry_max_attempts: true,
      retriable_status_codes: true,
      retry_priority: true,
      retry_back_off: { base_interval: true, max_interval: true },
    },
    `${at}.`,
  )
  const failures: ((failure: Failure) => boolean)[] = []
  const responses: OnResponse[] = []
  for (const condition of policy.retryOn.split(',').map((word) => word.trim())) {
    const onFailure = failureConditions[condition]
    const onResponse = responseConditions[condition]
    if (!onFailure && !onResponse) throw new Unsupported(`${at}.retry_on`, `${condition} is not supported by the embedded engine`)
    if (onFailure) failures.push(onFailure)
    if (onResponse) responses.push(onResponse(policy))
  }
  for (const { name } of policy.retryHostPredicate) {
    if (name !== 'envoy.retry_host_predicates.previous_hosts')
      throw new Unsupported(`${at}.retry_host_predicate`, `${name} is not supported by the embedded engine`)
  }
  const { retryPriority: priority } = policy
  const { updateFrequency } = priority
    ? unpack(
        PreviousPrioritiesConfigSchema,
        priority.configType.case === 'typedConfig' ? priority.configType.value : undefined,
        { update_frequency: true },
        `${at}.retry_priority[${priority.name}]`,
      )
    : { updateFrequency: 0 }
  const base = millis(policy.retryBackOff?.baseInterval, 25)
  const max = millis(policy.retryBackOff?.maxInterval, base * 10)
  return {
    limit: policy.numRetries ?? 1,
    perTryTimeout: millis(policy.perTryTimeout, 0),
    onFailure: (failure) => failures.some((condition) => condition(failure)),
    onResponse:
      responses.length > 0
        ? (status, headers) => responses.some((condition) => condition(status, headers)) && mayRepeat(policy, headers)
        : undefined,
    keepsBody: responses.length > 0 || failures.includes(failureConditions['reset']!),
    leavePriorities: updateFrequency,
    avoidPrevious: policy.retryHostPredicate.length > 0,
    backoff: (n) => Math.random() * Math.min(max, base * 2 ** (n - 1)),
  }
}

/** What a rate limit has refused is asked for again only where the policy says so. */
function mayRepeat({ retryOn }: RetryPolicy, headers: Headers): boolean {
  return !headers.has('x-envoy-ratelimited') || retryOn.includes('envoy-ratelimited')
}
