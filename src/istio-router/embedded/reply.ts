import type { Exchange } from './exchange.ts'
import { Headers } from './http/headers.ts'
import { isGrpc } from './routing/match.ts'

/** An answer of our own, ready to be sent. */
export interface Reply {
  status: number
  headers: Headers
  body: string | Buffer
}

/** gRPC's status for an HTTP status (Envoy's table). */
const grpcStatuses: Record<number, string> = { 400: '13', 401: '16', 403: '7', 404: '12', 429: '14', 502: '14', 503: '14', 504: '14' }

/**
 * Makes the answer for `status` and `text`: the first mapper of `local_reply_config` that fits changes it, and a gRPC client
 * gets it in gRPC's words, as trailers only.
 */
export function makeReply(exchange: Exchange, status: number, text: string | Buffer, extra: string[], grpcStatus?: number): Reply {
  const { mappers, body } = exchange.manager.config.replies
  const headers = new Headers(extra)
  exchange.status = status
  exchange.localReplyBody = typeof text === 'string' ? text : undefined
  const mapper = mappers.find((candidate) => candidate.fits(exchange))
  if (mapper?.status) exchange.status = status = mapper.status
  if (mapper?.text !== undefined) exchange.localReplyBody = text = mapper.text
  mapper?.headers?.(headers, exchange)
  const format = mapper?.body ?? body
  if (format) text = format.write(exchange)

  if (isGrpc(exchange)) {
    exchange.status = 200
    headers.set('content-type', 'application/grpc')
    headers.set('grpc-status', grpcStatus === undefined ? (grpcStatuses[status] ?? '2') : String(grpcStatus))
    if (text.length > 0) headers.set('grpc-message', encodeMessage(text.toString().trimEnd()))
    return { status: 200, headers, body: '' }
  }
  if (text.length > 0 && !headers.has('content-type')) headers.set('content-type', format?.contentType ?? 'text/plain')
  if (status !== 204) headers.set('content-length', String(Buffer.byteLength(text)))
  return { status, headers, body: text }
}

/** A text as `grpc-message` holds it: percent-encoded but for what is printable in ASCII (gRPC over HTTP/2, "Status-Message"). */
function encodeMessage(text: string): string {
  return text.replaceAll(/[^ -$&-~]+/g, encodeURIComponent)
}
