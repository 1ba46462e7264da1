import type { Attempt, AttemptEvents, Pool, UpstreamRequest } from './attempt.ts'
import type { Target } from './connect.ts'
import { Http1Connection } from './http1-connection.ts'

/** HTTP/1.1 to one endpoint: the most recently used connection first, so that those not needed become idle and are dropped. */
export class Http1Pool implements Pool {
  readonly #target: Target
  readonly #idle: Http1Connection[] = []
  #retired = false

  constructor(target: Target) {
    this.#target = target
  }

  send(request: UpstreamRequest, events: AttemptEvents): Attempt {
    // What comes after an upgrade is a stream, so such a request has a connection that is one.
    const connection = request.upgrade === undefined ? this.#free() : this.#open('stream')
    return connection.send(request, events)
  }

  hasConnection({ upgrade }: Pick<UpstreamRequest, 'upgrade'>): boolean {
    return upgrade === undefined && this.#idle.some(({ fresh }) => fresh)
  }

  retire(): void {
    this.#retired = true
    for (const connection of this.#idle.splice(0)) connection.destroy()
  }

  #free(): Http1Connection {
    for (;;) {
      const connection = this.#idle.pop()
      if (!connection) return this.#open('chunks')
      if (connection.fresh) return connection
      connection.destroy()
    }
  }

  #open(reads: 'chunks' | 'stream'): Http1Connection {
    return new Http1Connection(this.#target, reads, {
      free: (connection) => {
        if (this.#retired) connection.destroy()
        else this.#idle.push(connection)
      },
      gone: (connection) => {
        const at = this.#idle.indexOf(connection)
        if (at >= 0) this.#idle.splice(at, 1)
      },
    })
  }
}
