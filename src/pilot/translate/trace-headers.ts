import { HeaderValueOption_HeaderAppendAction as Append } from '../../common/proto/gen/envoy/config/core/v3/base_pb.js'
import {
  HeaderMutationPerRouteSchema,
  HeaderMutationSchema,
} from '../../common/proto/gen/envoy/extensions/filters/http/header_mutation/v3/header_mutation_pb.js'
import { LuaSchema } from '../../common/proto/gen/envoy/extensions/filters/http/lua/v3/lua_pb.js'
import { meaningless, readable } from '../../mesh/trace-context.ts'
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
const remove = (name: string): HeaderMutationInit => ({ action: { case: 'remove', value: name } })

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

/** Between them: the trace that a request brings or is given by B3, as `TRACE-SPAN-FLAGS` of W3C; it stays in the router, as all of `x-mesh-`. */
const begun = 'x-mesh-trace'

const clientFilter = 'mesh.trace-client'
const b3Filter = 'mesh.trace-b3'
const w3cFilter = 'mesh.trace-w3c'
const plainFilter = 'mesh.trace-plain'
const ids = '%REQ(X-B3-TRACEID)%-%REQ(X-B3-SPANID)%'
const beginB3 = [makeRandom, set('X-B3-TraceId', newTrace), set('X-B3-SpanId', newSpan), set('b3', ids)]
/** The state of a trace that nobody can read is no other's (Trace Context §3.3). */
const withoutState = remove('tracestate')

const both = ({ traceHeaders: { b3, w3c } }: TranslationSettings): boolean => b3 && w3c
const b3Names = ['b3', 'x-b3-traceid']

/**
 * Reads the trace that a request brings by B3, so that what it is given by W3C's header is the same trace; several headers of B3 are told
 * in its single one too, as by gorouter. src/mesh/trace-context.ts in Lua.
 */
export const clientTraceHeaders: Feature = {
  filter: ({ settings: { traceHeaders } }) =>
    traceHeaders.b3 || traceHeaders.w3c
      ? onlyWhere(
          clientFilter,
          anyOf(...b3Names.map((name) => requestHeader(name))),
          packed(LuaSchema, { defaultSourceCode: { specifier: { case: 'inlineString', value: lua } } }),
        )
      : undefined,
  plain: ({ settings }) =>
    settings.traceHeaders.b3 || settings.traceHeaders.w3c
      ? { filter: clientFilter, headers: both(settings) ? [] : b3Names.map(absent) }
      : undefined,
}

/**
 * Begins a trace in B3's headers (https://github.com/openzipkin/b3-propagation) where a request belongs to none; whether it is sampled is
 * left to the apps.
 */
export const b3TraceHeaders: Feature = {
  filter: ({ settings: { traceHeaders } }) =>
    traceHeaders.b3
      ? onlyWhere(
          b3Filter,
          not(anyOf(...b3Names.map((name) => requestHeader(name)))),
          mutations([...beginB3, ...(traceHeaders.w3c ? [set(begun, `${ids}-01`)] : [])]),
        )
      : undefined,
  plain: ({ settings }) => (both(settings) ? { filter: b3Filter, headers: [] } : undefined),
}

/**
 * Begins a trace in W3C's header (https://www.w3.org/TR/trace-context) where a request has none that can be read: that of B3, else another.
 */
export const w3cTraceHeaders: Feature = {
  filter: ({ settings: { traceHeaders } }) =>
    traceHeaders.w3c
      ? onlyWhere(
          w3cFilter,
          anyOf(not(requestHeader('traceparent', readable)), requestHeader('traceparent', meaningless)),
          mutations([makeRandom, add(begun, `${newTrace}-${newSpan}-01`), set('traceparent', `00-%REQ(${begun})%`), withoutState]),
        )
      : undefined,
  plain: ({ settings }) => (both(settings) ? { filter: w3cFilter, headers: [] } : undefined),
}

/**
 * Begins a trace in both for requests whose route has found that they have neither, in place of the filters, each of which looks for
 * itself.
 */
export const plainTraceHeaders: Feature = {
  filter: ({ settings }) =>
    both(settings)
      ? { ...named(plainFilter, mutations([...beginB3, set('traceparent', '00-%REQ(b3)%-01'), withoutState])), disabled: true }
      : undefined,
  plain: ({ settings }) =>
    both(settings)
      ? {
          filter: plainFilter,
          headers: ['traceparent', ...b3Names].map(absent),
          config: packed(HeaderMutationPerRouteSchema, {}),
        }
      : undefined,
}

const lua = `local function valid(id)
  return id:find("^[0-9a-f]+$") and id:find("[^0]")
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local single = headers:get("b3")
  local whole = single
  if not single then
    local sampled = headers:get("x-b3-sampled")
    whole = (headers:get("x-b3-traceid") or "") .. "-" .. (headers:get("x-b3-spanid") or "")
    if sampled == "0" or sampled == "1" then whole = whole .. "-" .. sampled end
  end
  local trace, span, rest = whole:match("^(%x+)%-(%x+)(.*)$")
  local flag = rest and (rest:match("^%-([01d])$") or rest:match("^%-([01d])%-[0-9a-f]+$"))
  if not rest or (rest ~= "" and not flag) then return end
  if (#trace ~= 16 and #trace ~= 32) or #span ~= 16 or not valid(trace) or not valid(span) then return end
  headers:replace("${begun}", ("0"):rep(32 - #trace) .. trace .. "-" .. span .. (flag == "0" and "-00" or "-01"))
  if not single then headers:add("b3", whole) end
end
`
