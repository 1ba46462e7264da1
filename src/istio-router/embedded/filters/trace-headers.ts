import { randomBytes } from 'node:crypto'
import { isReadable, readB3 } from '../../../mesh/trace-context.ts'
import type { FilterType } from './filter.ts'

/** Between them, as in src/pilot/translate/trace-headers.ts. */
const begun = 'x-mesh-trace'

const idBytes = 24
/** Random bytes for several requests, since a call of the generator costs more than what it gives. */
let random = Buffer.alloc(0)
let used = 0

function randomIds(): string {
  if (used === random.length) {
    random = randomBytes(256 * idBytes)
    used = 0
  }
  const hex = random.toString('hex', used, (used += idBytes))
  return `${hex.slice(0, 32)}-${hex.slice(32)}`
}

/** Reads the trace that a request brings by B3. In Envoy it is a Lua filter. */
export const clientTraceHeaders: FilterType = {
  name: 'mesh.trace-client',
  onlyWhere: true,
  compile: () => ({
    request(headers) {
      const b3 = headers.get('b3')
      const traceId = headers.get('x-b3-traceid')
      if (b3 === undefined && traceId === undefined) return true
      const trace = readB3({ b3, traceId, spanId: headers.get('x-b3-spanid'), sampled: headers.get('x-b3-sampled') })
      if (!trace) return true
      headers.set(begun, trace.w3c)
      if (b3 === undefined) headers.set('b3', trace.single)
      return true
    },
  }),
}

/** Begins a trace in B3's headers where a request belongs to none; in Envoy a header mutation behind a matcher. */
export const b3TraceHeaders: FilterType = {
  name: 'mesh.trace-b3',
  onlyWhere: true,
  compile: () => ({
    request(headers) {
      if (headers.has('b3') || headers.has('x-b3-traceid')) return true
      const ids = randomIds()
      headers.set('x-b3-traceid', ids.slice(0, 32))
      headers.set('x-b3-spanid', ids.slice(33))
      headers.set('b3', ids)
      headers.set(begun, `${ids}-01`)
      return true
    },
  }),
}

/** Begins a trace in W3C's header where a request has none that can be read: the one of B3, else another. */
export const w3cTraceHeaders: FilterType = {
  name: 'mesh.trace-w3c',
  onlyWhere: true,
  compile: () => ({
    request(headers) {
      if (isReadable(headers.getAll('traceparent') ?? '')) return true
      headers.set('traceparent', `00-${headers.get(begun) ?? `${randomIds()}-01`}`)
      headers.remove('tracestate')
      return true
    },
  }),
}

/** What Envoy begins a trace by for a request that its route has found to have none. */
export const plainTraceHeaders: FilterType = { name: 'mesh.trace-plain', elsewhere: true, compile: () => ({}) }
