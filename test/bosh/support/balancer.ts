import { once } from 'node:events'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { pipeline } from 'node:stream'

export interface Target {
  http: number
  probe: number
}

/** A load balancer: sends each request to the next router whose probe answers 200, asked every `interval` milliseconds. Never retries. */
export class Balancer {
  readonly #targets: Target[]
  readonly #interval: number
  readonly #healthy = new Set<Target>()
  readonly #server: Server
  readonly #stop = new AbortController()
  #turn = 0

  constructor(targets: Target[], interval = 100) {
    this.#targets = targets
    this.#interval = interval
    this.#server = createServer((incoming, outgoing) => {
      const healthy = targets.filter((target) => this.#healthy.has(target))
      const target = healthy[this.#turn++ % healthy.length]
      if (!target) return void outgoing.writeHead(502).end('the balancer has no healthy router')
      const forwarded = request(
        { port: target.http, host: '127.0.0.1', agent: false, method: incoming.method, path: incoming.url, headers: incoming.headers },
        (answer) => {
          if (outgoing.destroyed) return void answer.destroy()
          outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
          pipeline(answer, outgoing, () => {})
        },
      )
      forwarded.on(
        'error',
        (error) =>
          void (outgoing.headersSent
            ? outgoing.destroy()
            : outgoing.writeHead(502).end(`the router at ${target.http} failed: ${error.message}`)),
      )
      pipeline(incoming, forwarded, () => {})
    })
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get healthy(): number {
    return this.#healthy.size
  }

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    for (const target of this.#targets) void this.#watch(target)
    return this
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }

  async #watch(target: Target): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      const status = await fetch(`http://127.0.0.1:${target.probe}/health`).then(
        (answer) => answer.status,
        () => 0,
      )
      if (status === 200) this.#healthy.add(target)
      else this.#healthy.delete(target)
      await delay(this.#interval, undefined, { signal }).catch(() => {})
    }
  }
}
