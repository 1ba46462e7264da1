import { once } from 'node:events'
import { createServer, request as send, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

export interface CcAnswer {
  status: number
  headers: Record<string, string>
  body: Buffer
}

/** Stands between a syncer and Cloud Controller and answers otherwise while it is told to. */
export class CcProxy {
  /** Another answer to a request; undefined cuts the connection. */
  distort: ((path: string, answer: CcAnswer) => CcAnswer | undefined) | undefined
  readonly #upstream: number
  #server: Server | undefined
  #held: PromiseWithResolvers<void> | undefined
  #port = 0

  /** `upstream` is Cloud Controller's HTTP port on 127.0.0.1. */
  constructor(upstream: number) {
    this.#upstream = upstream
  }

  get port(): number {
    return this.#port
  }

  /** Listens, on the same port as before. */
  async listen(): Promise<this> {
    this.#server = createServer((request, response) => void this.#serve(request, response).catch(() => response.destroy()))
    this.#server.listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
    return this
  }

  /** Takes requests and answers none, as a process that is paused. */
  hold(): void {
    this.#held = Promise.withResolvers()
  }

  /** What was held is answered now. */
  release(): void {
    this.#held?.resolve()
    this.#held = undefined
  }

  async close(): Promise<void> {
    const closed = this.#server && once(this.#server, 'close')
    this.#server?.close()
    this.#server?.closeAllConnections()
    await closed
    this.#server = undefined
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '/'
    const body = await buffer(request)
    await this.#held?.promise
    const outgoing = send({ host: '127.0.0.1', port: this.#upstream, method: request.method, path, headers: request.headers })
    outgoing.end(body)
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
    const {
      'content-length': _length,
      'transfer-encoding': _coding,
      connection: _connection,
      ...headers
    } = incoming.headers as Record<string, string>
    const answer = { status: incoming.statusCode ?? 0, headers, body: await buffer(incoming) }
    const distorted = this.distort ? this.distort(path, answer) : answer
    if (!distorted) return void response.destroy()
    response.writeHead(distorted.status, { ...distorted.headers, 'content-length': distorted.body.length }).end(distorted.body)
  }
}
