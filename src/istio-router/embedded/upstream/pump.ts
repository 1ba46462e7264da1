import type { Writable } from 'node:stream'
import type { RequestBody } from './attempt.ts'

/**
 * Has `write` take a request's body, no faster than `to` does, to which it writes, and calls `ended` when it has taken all.
 * Returns a function that stops it and leaves both streams alone.
 */
export function pump(body: RequestBody, to: Writable, write: (chunk: Buffer) => boolean, ended: () => void): () => void {
  const { stream } = body
  const onData = (chunk: Buffer): void => {
    body.passed(chunk)
    if (!write(chunk)) stream.pause()
  }
  const onDrain = (): void => void stream.resume()
  const stop = (): void => {
    to.off('drain', onDrain)
    stream.off('data', onData).off('end', onEnd).pause()
  }
  const onEnd = (): void => {
    stop()
    ended()
  }
  for (const chunk of body.kept ?? []) write(chunk)
  if (stream.readableEnded) {
    ended()
    return stop
  }
  to.on('drain', onDrain)
  // An earlier try has left it paused.
  stream.on('data', onData).on('end', onEnd).resume()
  return stop
}
