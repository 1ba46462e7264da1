import http, { type ClientRequest, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { connect, type Target } from './connect.ts'
import { failureOf, maxResponseHeader } from './http1-limits.ts'
import { pump } from './pump.ts'
import type { Attempt, AttemptEvents, Pool, UpstreamRequest } from './attempt.ts'

/**
 * HTTP/1.1 to one endpoint for what undici does not do: a head that leaves before the first chunk of a body of unknown
 * length, trailers of a request, and `100 Continue`.
 */
export class StreamingPool implements Pool {
  readonly #agent: http.Agent

  constructor(target: Target) {
    const { idleTimeout, maxRequests, maxAge } = target.cluster.http
    const served = new WeakMap<Socket, number>()
    this.#agent = new http.Agent({ keepAlive: true, scheduling: 'lifo', maxFreeSockets: 256 })
    this.#agent.createConnection = (_options, done) => {
      connect(target, 'http/1.1', (error, socket) => {
        socket?.on('timeout', () => socket.destroy())
        if (maxAge > 0) setTimeout(() => served.set(socket!, Infinity), maxAge).unref()
        done?.(error, socket as Socket)
      })
      return undefined
    }
    this.#agent.on('free', (socket: Socket) => {
      const requests = (served.get(socket) ?? 0) + 1
      served.set(socket, requests)
      if (requests >= maxRequests) socket.destroy()
      else socket.setTimeout(idleTimeout)
    })
  }

  send(request: UpstreamRequest, events: AttemptEvents): Attempt {
    return new StreamingAttempt(this.#agent, request, events)
  }

  hasConnection(): boolean {
    return Object.values(this.#agent.freeSockets).some((sockets) => sockets?.length)
  }

  retire(): void {
    this.#agent.maxFreeSockets = 0
    for (const sockets of Object.values(this.#agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy()
  }
}

class StreamingAttempt implements Attempt {
  readonly #request: ClientRequest
  readonly #events: AttemptEvents
  #response: IncomingMessage | undefined
  #stopBody: (() => void) | undefined
  #sent = false
  #done = false

  constructor(agent: http.Agent, { method, path, authority, headers, body, expectContinue }: UpstreamRequest, events: AttemptEvents) {
    this.#events = events
    headers.push('host', authority)
    if (expectContinue) headers.push('expect', '100-continue')
    if (body && !body.sized) headers.push('transfer-encoding', 'chunked')
    this.#request = http.request({ agent, method, path, headers, setHost: false, maxHeaderSize: maxResponseHeader, insecureHTTPParser: false } as http.RequestOptions)
    this.#request.once('socket', (socket) => {
      socket.setTimeout(0)
      this.#sent = true
      events.connected()
      this.#request.flushHeaders()
      if (!body) this.#request.end()
      else if (!expectContinue) this.#pump(body)
    })
    this.#request.on('continue', () => {
      if (this.#done) return
      events.informational(100, [])
      if (body) this.#pump(body)
    })
    this.#request.on('information', ({ statusCode, rawHeaders }) => {
      if (!this.#done && statusCode !== 100) events.informational(statusCode, lowerNames(rawHeaders))
    })
    this.#request.on('response', (response) => this.#respond(response))
    this.#request.on('error', (error) => this.#fail(error))
  }

  abort(): void {
    if (this.#done) return
    this.#finish()
    this.#request.destroy()
  }

  resume(): void {
    this.#response?.resume()
  }

  #pump(body: NonNullable<UpstreamRequest['body']>): void {
    this.#stopBody = pump(body, this.#request, () => {
      const trailers = body.trailers()
      if (trailers.length > 0) this.#request.addTrailers(pairs(trailers))
      this.#request.end()
    })
  }

  #respond(response: IncomingMessage): void {
    if (this.#done) {
      response.resume()
      return
    }
    this.#response = response
    response.on('data', (chunk: Buffer) => {
      if (!this.#done && !this.#events.data(chunk)) response.pause()
    })
    response.on('end', () => {
      if (this.#done) return
      this.#finish()
      if (!this.#request.writableEnded) this.#request.destroy()
      this.#events.end(lowerNames(response.rawTrailers))
    })
    response.on('error', (error) => this.#fail(error))
    if (!this.#events.head(response.statusCode!, lowerNames(response.rawHeaders), false)) response.pause()
  }

  #fail(error: Error): void {
    if (this.#done) return
    this.#finish()
    this.#request.destroy()
    this.#events.fail(failureOf(error, this.#sent))
  }

  #finish(): void {
    this.#done = true
    this.#stopBody?.()
  }
}

function lowerNames(raw: string[]): string[] {
  return raw.map((text, index) => (index % 2 === 0 ? text.toLowerCase() : text))
}

function pairs(flat: string[]): [string, string][] {
  const result: [string, string][] = []
  for (let i = 0; i < flat.length; i += 2) result.push([flat[i]!, flat[i + 1]!])
  return result
}
