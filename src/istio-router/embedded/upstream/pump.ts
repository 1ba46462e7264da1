import { Readable, type Writable } from 'node:stream'
import type { RequestBody } from './attempt.ts'

/**
 * Copies a request's body to `to`, no faster than it takes it, and calls `ended` when all has been written.
 * Returns a function that stops it and leaves both streams alone.
 */
export function pump(body: RequestBody, to: Writable, ended: () => void): () => void {
  const { stream } = body
  const onData = (chunk: Buffer): void => {
    body.passed(chunk)
    if (!to.write(chunk)) stream.pause()
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
  for (const chunk of body.kept ?? []) to.write(chunk)
  if (stream.readableEnded) {
    ended()
    return stop
  }
  to.on('drain', onDrain)
  stream.on('data', onData).on('end', onEnd)
  return stop
}

/** A body as a stream of its own, so that who reads it may destroy it without harm to the client's connection. Nothing is taken before it is read. */
export class BodyStream extends Readable {
  readonly #body: RequestBody
  #begun = false

  constructor(body: RequestBody) {
    super({ highWaterMark: 65536 })
    this.#body = body
  }

  /** True once something may have been taken from the client. */
  get begun(): boolean {
    return this.#begun
  }

  override _read(): void {
    const { stream } = this.#body
    if (!this.#begun) {
      this.#begun = true
      for (const chunk of this.#body.kept ?? []) this.push(chunk)
      if (stream.readableEnded) {
        this.push(null)
        return
      }
      stream.on('data', this.#onData).on('end', this.#onEnd)
    }
    stream.resume()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (this.#begun) this.#body.stream.off('data', this.#onData).off('end', this.#onEnd).pause()
    done(error)
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#body.passed(chunk)
    if (!this.push(chunk)) this.#body.stream.pause()
  }

  readonly #onEnd = (): void => {
    this.push(null)
  }
}
