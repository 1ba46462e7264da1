import type { Socket } from 'node:net'

/**
 * Shows `look` the first bytes of a connection until it is satisfied: it returns how many of them to take away, or undefined
 * to see more. What is not taken stays to be read. A connection that shows too little in `timeout` milliseconds is closed.
 */
export function peek(socket: Socket, timeout: number, look: (seen: Buffer) => number | undefined, done: () => void): void {
  let seen: Buffer = Buffer.alloc(0)
  let last: NodeJS.Immediate | undefined
  // What has come while the event loop was busy is read before it is held to be missing.
  const timer = timeout > 0 ? setTimeout(() => (last = setImmediate(() => socket.destroy())), timeout) : undefined
  const onData = (chunk: Buffer): void => {
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk])
    const taken = look(seen)
    if (taken === undefined) return
    stop()
    socket.pause()
    if (taken < seen.length) socket.unshift(seen.subarray(taken))
    if (!socket.destroyed) done()
  }
  const stop = (): void => {
    clearTimeout(timer)
    clearImmediate(last)
    socket.off('data', onData).off('end', onEnd).off('close', stop)
  }
  const onEnd = (): void => {
    stop()
    socket.destroy()
  }
  socket.on('data', onData).on('end', onEnd).on('close', stop)
  socket.resume()
}

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')

/** True if a connection begins with HTTP/2's preface, false if it cannot, undefined if that is not clear yet. */
export function isHttp2(seen: Buffer): boolean | undefined {
  const length = Math.min(seen.length, preface.length)
  if (!seen.subarray(0, length).equals(preface.subarray(0, length))) return false
  return length === preface.length ? true : undefined
}
