import type { Http2Session, Http2Stream } from 'node:http2'

/**
 * Closes an HTTP/2 session that has carried no stream for `limit` milliseconds (Envoy: `idle_timeout`); 0 means never. Node's own
 * `session.setTimeout` keeps a session that is destroyed before, with all that it has, until the time is over.
 */
export class SessionIdle {
  #streams = 0
  readonly #timer: NodeJS.Timeout | undefined

  constructor(session: Http2Session, limit: number) {
    if (limit <= 0) return
    this.#timer = setTimeout(() => {
      if (this.#streams === 0) session.close()
    }, limit).unref()
    session.once('close', () => clearTimeout(this.#timer))
  }

  carries(stream: Http2Stream): void {
    this.#streams++
    stream.once('close', () => {
      if (--this.#streams === 0) this.#timer?.refresh()
    })
  }
}
