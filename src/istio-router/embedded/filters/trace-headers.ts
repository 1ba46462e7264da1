import { randomBytes } from 'node:crypto'
import type { FilterType } from './filter.ts'

/** Between the two, as in src/pilot/translate/trace-headers.ts. */
const begun = 'x-mesh-trace'
const readable = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$/

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
      headers.set(begun, ids)
      return true
    },
  }),
}

/** Begins a trace in W3C's header where a request has none that can be read: the one that was begun for B3, else another. */
export const w3cTraceHeaders: FilterType = {
  name: 'mesh.trace-w3c',
  onlyWhere: true,
  compile: () => ({
    request(headers) {
      if (!readable.test(headers.get('traceparent') ?? '')) headers.set('traceparent', `00-${headers.get(begun) ?? randomIds()}-01`)
      return true
    },
  }),
}

/** What Envoy begins a trace by for a request that its route has found to have none. */
export const plainTraceHeaders: FilterType = { name: 'mesh.trace-plain', elsewhere: true, compile: () => ({}) }
