import { HTTPFaultSchema, type FaultAbort } from '../../../common/proto/gen/envoy/extensions/filters/http/fault/v3/fault_pb.js'
import type { FaultDelay } from '../../../common/proto/gen/envoy/extensions/filters/common/fault/v3/fault_pb.js'
import type { Exchange } from '../exchange.ts'
import { Unsupported, millis, unpack } from '../resources/support.ts'
import { fraction } from '../routing/fraction.ts'
import type { FilterType } from './filter.ts'

/** Delays a share of requests and aborts a share, to try how others bear it. */
export const fault: FilterType = {
  name: 'envoy.filters.http.fault',
  compile: () => ({}),

  perRoute(config, path) {
    const message = unpack(
      HTTPFaultSchema,
      config,
      { delay: { fixed_delay: true, percentage: true }, abort: { http_status: true, grpc_status: true, percentage: true } },
      path,
    )
    const delay = message.delay && compileDelay(message.delay)
    const abort = message.abort && compileAbort(message.abort, `${path}.abort`)
    return {
      request(_headers, exchange) {
        const wait = delay?.() ?? 0
        if (wait === 0) return !abort?.(exchange)
        exchange.flags.push('DI')
        setTimeout(() => {
          if (!abort?.(exchange)) exchange.proceed()
        }, wait)
        return false
      },
    }
  },
}

/** Milliseconds to wait, 0 for most. */
function compileDelay({ faultDelaySecifier: specifier, percentage }: FaultDelay): () => number {
  const wait = specifier.case === 'fixedDelay' ? millis(specifier.value, 0) : 0
  const wanted = fraction(percentage, 0)
  return () => (wanted() ? wait : 0)
}

/** Answers a share of requests; true for those. */
function compileAbort({ errorType, percentage }: FaultAbort, at: string): (exchange: Exchange) => boolean {
  const wanted = fraction(percentage, 0)
  if (errorType.case !== 'httpStatus' && errorType.case !== 'grpcStatus') throw new Unsupported(`${at}.${errorType.case ?? 'error_type'}`)
  const [status, grpcStatus] = errorType.case === 'httpStatus' ? [errorType.value, undefined] : [200, errorType.value]
  return (exchange) => {
    if (!wanted()) return false
    exchange.reply(status, 'fault filter abort', 'FI', 'fault_filter_abort', [], grpcStatus)
    return true
  }
}
