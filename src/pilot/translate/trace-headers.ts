import { HeaderValueOption_HeaderAppendAction as Append } from '../../common/proto/gen/envoy/config/core/v3/base_pb.js'
import {
  HeaderMutationPerRouteSchema,
  HeaderMutationSchema,
} from '../../common/proto/gen/envoy/extensions/filters/http/header_mutation/v3/header_mutation_pb.js'
import type { Feature, HeaderMutationInit } from './feature.ts'
import { anyOf, not, onlyWhere, requestHeader } from './only-where.ts'
import { named, packed } from './proto.ts'
import { absent } from './header-match.ts'
import type { TranslationSettings } from './settings.ts'

const header = (key: string, value: string, appendAction: Append): HeaderMutationInit => ({
  action: { case: 'append', value: { header: { key, value }, appendAction } },
})
const set = (key: string, value: string): HeaderMutationInit => header(key, value, Append.OVERWRITE_IF_EXISTS_OR_ADD)
const add = (key: string, value: string): HeaderMutationInit => header(key, value, Append.ADD_IF_ABSENT)

/**
 * Eight random digits of a new UUID and eight of the request's id, which is one as well; an operator for random hex digits does not exist,
 * and each UUID costs a request more than a microsecond. A trace's id is the time before its first span's: unique with one UUID instead of
 * six.
 */
const uuid = 'x-mesh-uuid'
const makeRandom = set(uuid, '%UNIQUE_ID%')
const newSpan = `%REQ(${uuid}):8%%REQ(X-REQUEST-ID):8%`
const newTrace = `%START_TIME(%s%6f)%${newSpan}`

const mutations = (requestMutations: HeaderMutationInit[]) => packed(HeaderMutationSchema, { mutations: { requestMutations } })

/** Between the two: the trace that was begun for B3, as `TRACE-SPAN`; it stays in the router, as all of `x-mesh-`. */
const begun = 'x-mesh-trace'

const b3Filter = 'mesh.trace-b3'
const w3cFilter = 'mesh.trace-w3c'
const plainFilter = 'mesh.trace-plain'
const ids = '%REQ(X-B3-TRACEID)%-%REQ(X-B3-SPANID)%'
const beginB3 = [makeRandom, set('X-B3-TraceId', newTrace), set('X-B3-SpanId', newSpan), set('b3', ids)]

const both = ({ traceHeaders: { b3, w3c } }: TranslationSettings): boolean => b3 && w3c

const readable = '[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?'

/**
 * Begins a trace in B3's headers (https://github.com/openzipkin/b3-propagation) where a request belongs to none; whether it is sampled is
 * left to the apps. It stands in W3C's header too, where a request has none there.
 */
export const b3TraceHeaders: Feature = {
  filter: ({ settings: { traceHeaders } }) =>
    traceHeaders.b3
      ? onlyWhere(
          b3Filter,
          not(anyOf(requestHeader('b3'), requestHeader('x-b3-traceid'))),
          mutations([...beginB3, ...(traceHeaders.w3c ? [set(begun, ids), add('traceparent', `00-${ids}-01`)] : [])]),
        )
      : undefined,
  plain: ({ settings }) => (both(settings) ? { filter: b3Filter, headers: [] } : undefined),
}

/**
 * Begins a trace in W3C's header (https://www.w3.org/TR/trace-context) where a request has none that can be read: the one begun for B3,
 * else another.
 */
export const w3cTraceHeaders: Feature = {
  filter: ({ settings: { traceHeaders } }) =>
    traceHeaders.w3c
      ? onlyWhere(
          w3cFilter,
          not(requestHeader('traceparent', readable)),
          mutations([makeRandom, add(begun, `${newTrace}-${newSpan}`), set('traceparent', `00-%REQ(${begun})%-01`)]),
        )
      : undefined,
  plain: ({ settings }) => (both(settings) ? { filter: w3cFilter, headers: [] } : undefined),
}

/**
 * Begins a trace in both for requests whose route has found that they have neither, in place of the two filters, each of which looks for
 * itself.
 */
export const plainTraceHeaders: Feature = {
  filter: ({ settings }) =>
    both(settings) ? { ...named(plainFilter, mutations([...beginB3, set('traceparent', '00-%REQ(b3)%-01')])), disabled: true } : undefined,
  plain: ({ settings }) =>
    both(settings)
      ? {
          filter: plainFilter,
          headers: ['traceparent', 'b3', 'x-b3-traceid'].map(absent),
          config: packed(HeaderMutationPerRouteSchema, {}),
        }
      : undefined,
}
