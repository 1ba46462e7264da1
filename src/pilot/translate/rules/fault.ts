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
    if (!fault?.delay && !fault?.abort) return undefined
    const { delay, abort } = fault
    return packed(HTTPFaultSchema, {
      ...(delay?.fixedDelay === undefined
        ? {}
        : { delay: { faultDelaySecifier: { case: 'fixedDelay', value: duration(delay.fixedDelay) }, percentage: percent(delay.percentage?.value ?? delay.percent ?? 100) } }),
      ...(abort ? { abort: { errorType: errorOf(abort), percentage: percent(abort.percentage?.value ?? 100) } } : {}),
    })
  },
}

function errorOf({ httpStatus, grpcStatus }: NonNullable<Fault['abort']>) {
  if (httpStatus !== undefined) return { case: 'httpStatus' as const, value: httpStatus }
  return { case: 'grpcStatus' as const, value: grpcCodes.indexOf(grpcStatus ?? '') >= 0 ? grpcCodes.indexOf(grpcStatus ?? '') : Number(grpcStatus) }
}

/** In the order of their numbers, which may be written as well. */
export const grpcCodes = [
  'OK', 'CANCELLED', 'UNKNOWN', 'INVALID_ARGUMENT', 'DEADLINE_EXCEEDED', 'NOT_FOUND', 'ALREADY_EXISTS', 'PERMISSION_DENIED', 'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION', 'ABORTED', 'OUT_OF_RANGE', 'UNIMPLEMENTED', 'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS', 'UNAUTHENTICATED',
]
