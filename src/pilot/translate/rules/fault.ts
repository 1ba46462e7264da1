import { HTTPFaultSchema } from '../../../common/proto/gen/envoy/extensions/filters/http/fault/v3/fault_pb.js'
import type { HttpRoute } from '../../../mesh/istio/types.ts'
import { duration, packed } from '../proto.ts'
import type { RuleFeature } from './feature.ts'
import { percent } from './percent.ts'

type Fault = NonNullable<HttpRoute['fault']>

/** Delays or aborts a share of requests. Istio: VirtualService http[].fault. Envoy: envoy.filters.http.fault, per route. */
export const fault: RuleFeature = {
  filter: { name: 'envoy.filters.http.fault', config: packed(HTTPFaultSchema, {}) },

  perRoute({ route: { fault } }) {
    const { delay, abort } = fault ?? {}
    const error = abort && errorOf(abort)
    if (delay?.fixedDelay === undefined && !error) return undefined
    return packed(HTTPFaultSchema, {
      ...(delay?.fixedDelay === undefined
        ? {}
        : {
            delay: {
              faultDelaySecifier: { case: 'fixedDelay', value: duration(delay.fixedDelay) },
              percentage: percent(delay.percentage?.value ?? delay.percent ?? 100),
            },
          }),
      ...(error ? { abort: { errorType: error, percentage: percent(abort?.percentage?.value ?? 100) } } : {}),
    })
  },
}

function errorOf({ httpStatus, grpcStatus }: NonNullable<Fault['abort']>) {
  if (httpStatus !== undefined) return { case: 'httpStatus' as const, value: httpStatus }
  return grpcStatus === undefined ? undefined : { case: 'grpcStatus' as const, value: grpcCodes.indexOf(grpcStatus) }
}

/** In the order of their numbers. */
const grpcCodes = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
]
