import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'

/**
 * Answers with an NDJSON stream that is read as its receiver takes it. One that takes nothing for `stall` milliseconds is
 * cut off. `signal` ends the stream; it, too, tells `lines` that the receiver is gone.
 */
export async function stream(
  reply: FastifyReply,
  lines: (signal: AbortSignal) => AsyncIterable<string>,
  { stall, signal }: { stall: number; signal: AbortSignal },
): Promise<'ended' | 'stalled'> {
  reply.hijack()
  const response = reply.raw
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const over = AbortSignal.any([gone.signal, signal])
  response.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' })
  response.flushHeaders()
  try {
    for await (const line of lines(over)) {
      if (over.aborted) break
      if (!response.write(line) && !(await drained(response, stall, over))) return 'stalled'
    }
    response.end()
    return 'ended'
  } catch (error) {
    // Midway there is no other way to tell that this is not the end.
    response.destroy()
    throw error
  }
}

/** True once the response's buffer is empty or nobody waits for it any more; else it is cut off. */
async function drained(response: ServerResponse, stall: number, over: AbortSignal): Promise<boolean> {
  const timeout = AbortSignal.timeout(stall)
  try {
    await once(response, 'drain', { signal: AbortSignal.any([over, timeout]) })
  } catch {
    if (over.aborted) return true
    response.destroy()
    return false
  }
  return true
}
