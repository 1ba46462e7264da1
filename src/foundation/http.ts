import { once } from 'node:events'
import { createServer as createHttp, type Server } from 'node:http'
import { createServer as createHttps } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Part } from '../common/lifecycle.ts'

export interface Listen {
  http: { host: string; port: number }
  https?: { host: string; port: number } | undefined
}

export interface ServerCertificate {
  cert: string | Buffer
  key: string | Buffer
}

/** One HTTP API on up to two ports: plain, and TLS where an `https` listener is configured. */
export class HttpService implements Part {
  readonly name: string
  readonly #api: FastifyInstance
  readonly #listen: Listen
  readonly #certificate: ServerCertificate | undefined
  #servers: { http?: Server; https?: Server } = {}

  constructor(name: string, api: FastifyInstance, listen: Listen, certificate?: ServerCertificate) {
    this.name = name
    this.#api = api
    this.#listen = listen
    this.#certificate = certificate
  }

  /** The port it listens on for `scheme`; undefined before start or where there is none. */
  port(scheme: 'http' | 'https'): number | undefined {
    return (this.#servers[scheme]?.address() as AddressInfo | null | undefined)?.port
  }

  async start(): Promise<void> {
    await this.#api.ready()
    this.#servers.http = await listen(
      createHttp((request, response) => this.#api.routing(request, response)),
      this.#listen.http,
    )
    if (!this.#listen.https) return
    if (!this.#certificate) throw new Error(`${this.name}.https: needs certificate`)
    this.#servers.https = await listen(
      createHttps(this.#certificate, (request, response) => this.#api.routing(request, response)),
      this.#listen.https,
    )
  }

  async stop(): Promise<void> {
    await Promise.all(Object.values(this.#servers).map(close))
    await this.#api.close()
  }
}

async function listen(server: Server, address: { host: string; port: number }): Promise<Server> {
  server.listen(address)
  await once(server, 'listening')
  return server
}

async function close(server: Server): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
}

/** Reads bodies of these types as JSON; clients send the header without a body too, which is `{}`. `invalid` makes the error for others. */
export function acceptJson(api: FastifyInstance, types: string[], invalid: () => Error): void {
  api.removeContentTypeParser('application/json')
  for (const type of types) {
    api.addContentTypeParser<string>(type, { parseAs: 'string' }, (_request, body, done) => {
      try {
        done(null, body.trim() ? JSON.parse(body) : {})
      } catch {
        done(invalid())
      }
    })
  }
}

/** Where the client finds each service, at the address and scheme by which it came. */
export interface Origins {
  cloudController: string
  uaa: string
  logCache: string
}

/** Tells a request's `Origins` from the host it named. */
export class Directory {
  readonly #services: Partial<Record<keyof Origins, HttpService>> = {}

  add(name: keyof Origins, service: HttpService): void {
    this.#services[name] = service
  }

  origins(request: FastifyRequest): Origins {
    const scheme = request.protocol === 'https' ? 'https' : 'http'
    const origin = (name: keyof Origins): string => {
      const service = this.#services[name]
      const secure = scheme === 'https' && service?.port('https') !== undefined
      return `${secure ? 'https' : 'http'}://${request.hostname}:${service?.port(secure ? 'https' : 'http')}`
    }
    return { cloudController: origin('cloudController'), uaa: origin('uaa'), logCache: origin('logCache') }
  }
}
