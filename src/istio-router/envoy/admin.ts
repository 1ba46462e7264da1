import { Client } from 'undici'

/** Envoy's admin API on its Unix socket. Every method rejects while Envoy isn't there. */
export class Admin {
  readonly #client: Client

  constructor(socket: string) {
    this.#client = new Client('http://envoy', { socketPath: socket, headersTimeout: 5000, bodyTimeout: 5000 })
  }

  /** `LIVE` once it serves; else `INITIALIZING`, `PRE_INITIALIZING` or `DRAINING`. */
  async state(): Promise<string> {
    return (await this.#request('GET', '/ready')).trim()
  }

  /** The names of the listeners that are bound. */
  async listeners(): Promise<string[]> {
    const { listener_statuses: statuses = [] } = JSON.parse(await this.#request('GET', '/listeners?format=json')) as {
      listener_statuses?: { name: string }[]
    }
    return statuses.map(({ name }) => name)
  }

  /** Closes the listeners, and asks clients to go as they come with another request. */
  async drain(): Promise<void> {
    await this.#request('POST', '/healthcheck/fail')
    await this.#request('POST', '/drain_listeners')
  }

  /** Requests in flight, upgrades included, on all listeners. */
  async activeRequests(): Promise<number> {
    const text = await this.#request('GET', '/stats?filter=^http\\..*\\.downstream_rq_active$')
    return text
      .split('\n')
      .map((line) => /^http\.(?!admin\.).*: (\d+)$/.exec(line)?.[1] ?? '0')
      .reduce((sum, count) => sum + Number(count), 0)
  }

  async close(): Promise<void> {
    await this.#client.destroy()
  }

  async #request(method: 'GET' | 'POST', path: string): Promise<string> {
    const { body } = await this.#client.request({ method, path })
    return body.text()
  }
}
