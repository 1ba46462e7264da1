import { readFileSync } from 'node:fs'
import { validateHeaderValue } from 'node:http'
import type { Readable } from 'node:stream'
import type { ConnectionOptions } from 'node:tls'
import { Pool, type Dispatcher } from 'undici'
import type { TlsConfig } from '../common/config.ts'
import { messageOf, problem } from '../common/problem.ts'
import { readTls, watchTls } from '../common/tls.ts'

export const Unreachable = problem('MESH_NEIGHBOUR_UNREACHABLE', 503, (url: string, why: string) => `${url}: ${why}`)
export const AnswerTooLong = problem(
  'MESH_ANSWER_TOO_LONG',
  502,
  (url: string, limit: number) => `${url}: the answer is longer than ${limit} bytes`,
)

export interface HttpClientOptions {
  /** `https://host:port`; a path in it is ignored. */
  url: string
  /** Our certificate and the CAs of the other end, for mutual TLS; read again when the files change. */
  tls?: TlsConfig | undefined
  /** File with the CAs of the other end, where we show no certificate; else the system's. */
  ca?: string | undefined
  /** The DNS name the other end's certificate must bear, where it differs from the URL's host. */
  serverName?: string | undefined
  /** How long to wait for an answer's head, and between parts of its body, milliseconds. */
  timeout?: number
  /** Longest answer, bytes. */
  maxBytes?: number
}

export interface HttpRequest {
  method?: Dispatcher.HttpMethod
  /** With query. */
  path: string
  headers?: Record<string, string>
  body?: string | Uint8Array | Readable
  signal?: AbortSignal | undefined
  /** Overrides the client's, milliseconds. */
  timeout?: number
}

export interface HttpAnswer {
  status: number
  headers: Record<string, string | string[] | undefined>
  body: Buffer
}

/** Requests to one neighbour over a small pool of connections. Every failure to get an answer is `Unreachable` or `AnswerTooLong`. */
export class HttpClient {
  readonly origin: string
  readonly #timeout: number
  readonly #maxBytes: number
  readonly #stopWatching: () => void
  #pool: Pool

  constructor({ url, tls, ca, serverName, timeout = 30_000, maxBytes = 64 << 20 }: HttpClientOptions) {
    this.origin = new URL(url).origin
    this.#timeout = timeout
    this.#maxBytes = maxBytes
    const open = (material: ConnectionOptions): Pool =>
      new Pool(this.origin, { connections: 8, connect: { ...material, timeout: 5_000, ...(serverName && { servername: serverName }) } })
    this.#pool = open(tls ? { ...readTls(tls) } : ca ? { ca: readFileSync(ca) } : {})
    this.#stopWatching = tls
      ? watchTls(tls, (material) => {
          const old = this.#pool
          this.#pool = open({ ...material })
          void old.close()
        })
      : () => {}
  }

  /** Resolves with any status. */
  async request({ method = 'GET', path, headers, body, signal, timeout = this.#timeout }: HttpRequest): Promise<HttpAnswer> {
    const url = this.origin + path.replace(/\?.*/s, '')
    try {
      checkSendable(path, headers)
      const answer = await this.#pool.request({ method, path, headers, body, signal, headersTimeout: timeout, bodyTimeout: timeout })
      return { status: answer.statusCode, headers: answer.headers, body: await this.#read(answer.body, url) }
    } catch (error) {
      if (signal?.aborted || (error as { code?: string }).code === AnswerTooLong.code) throw error
      throw Unreachable(url, messageOf(error) || (error as { code?: string }).code || 'no answer')
    }
  }

  /** The answer's body as a stream, for what is too long to hold. Resolves with any status. */
  async stream({ path, headers, signal }: Pick<HttpRequest, 'path' | 'headers' | 'signal'>): Promise<{ status: number; body: Readable }> {
    try {
      checkSendable(path, headers)
      const { statusCode, body } = await this.#pool.request({
        method: 'GET',
        path,
        headers,
        signal,
        headersTimeout: this.#timeout,
        bodyTimeout: this.#timeout,
      })
      return { status: statusCode, body }
    } catch (error) {
      throw signal?.aborted ? error : Unreachable(this.origin + path, messageOf(error))
    }
  }

  async close(): Promise<void> {
    this.#stopWatching()
    await this.#pool.destroy()
  }

  async #read(body: Readable, url: string): Promise<Buffer> {
    const parts: Buffer[] = []
    let length = 0
    for await (const part of body as AsyncIterable<Buffer>) {
      length += part.length
      if (length > this.#maxBytes) throw AnswerTooLong(url, this.#maxBytes)
      parts.push(part)
    }
    return Buffer.concat(parts, length)
  }
}

/** undici's pool counts a connection as busy for ever for whose sake a request was tried that cannot be sent; so none reaches it. */
function checkSendable(path: string, headers: Record<string, string> = {}): void {
  if (!/^\/[\x21-\xff]*$/.test(path)) throw new TypeError('the path is none that can be asked for')
  for (const [name, value] of Object.entries(headers)) validateHeaderValue(name, value)
}

/** A header's first value. */
export function header({ headers }: HttpAnswer, name: string): string | undefined {
  const value = headers[name]
  return Array.isArray(value) ? value[0] : value
}
