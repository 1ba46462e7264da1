import {
  connect as connectH2,
  type ClientHttp2Session,
  type IncomingHttpHeaders as Http2Headers,
  type OutgoingHttpHeaders,
} from 'node:http2'
import { Agent, request, type IncomingHttpHeaders, type OutgoingHttpHeaders as Headers, type RequestOptions } from 'node:http'
import { request as requestTls } from 'node:https'
import { connect, type Socket } from 'node:net'
import { buffer, text } from 'node:stream/consumers'
import type { ConnectionOptions } from 'node:tls'

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  trailers: NodeJS.Dict<string>
  body: string
}

export interface Ask extends RequestOptions {
  headers?: Headers
  body?: string | Buffer
  tls?: ConnectionOptions
}

/** One HTTP/1.1 request to 127.0.0.1; a connection of its own unless an agent is given. */
export async function ask(port: number, host: string, { body, tls, ...options }: Ask = {}): Promise<Answer> {
  const send = tls ? requestTls : request
  return new Promise((resolve, reject) => {
    const outgoing = send(
      {
        agent: tls ? false : new Agent(),
        host: '127.0.0.1',
        port,
        setHost: false,
        ...options,
        headers: { host, ...options.headers },
        ...(tls && { servername: host, ...tls }),
      },
      (response) => {
        text(response).then(
          (content) => resolve({ status: response.statusCode ?? 0, headers: response.headers, trailers: response.trailers, body: content }),
          reject,
        )
      },
    )
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

/** Sends bytes as they are and answers everything that came back until the other end closed, or `until` occurred in it. */
export async function raw(port: number, bytes: string | Buffer, until?: string): Promise<string> {
  const socket: Socket = connect({ port, host: '127.0.0.1' })
  socket.write(bytes)
  let seen = ''
  try {
    for await (const chunk of socket) {
      seen += (chunk as Buffer).toString('latin1')
      if (until && seen.includes(until)) break
    }
  } catch {}
  socket.destroy()
  return seen
}

/** An HTTP/2 session with 127.0.0.1, over TLS (ALPN) or, without `tls`, with prior knowledge (RFC 9113 §3.3). */
export function http2(port: number, tls?: ConnectionOptions): ClientHttp2Session {
  return connectH2(`${tls ? 'https' : 'http'}://127.0.0.1:${port}`, tls)
}

/** One HTTP/2 request on a session. */
export async function askHttp2(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body?: string | Buffer,
): Promise<{ headers: Http2Headers & { ':status'?: number }; trailers: Http2Headers; body: Buffer }> {
  const stream = session.request(headers, { endStream: body === undefined })
  let trailers: Http2Headers = {}
  stream.on('trailers', (received) => (trailers = received))
  const answered = new Promise<Http2Headers>((resolve, reject) => {
    stream.once('response', resolve)
    stream.once('error', reject)
  })
  if (body !== undefined) stream.end(body)
  const content = buffer(stream)
  return { headers: await answered, body: await content, trailers }
}

/** Answers of `n` requests, sent in eight lanes. */
export async function many(n: number, send: () => Promise<Answer>): Promise<Answer[]> {
  const answers: Answer[] = []
  const lane = async (): Promise<void> => {
    for (let i = 0; i < n / 8; i++) answers.push(await send())
  }
  await Promise.all(Array.from({ length: 8 }, lane))
  return answers
}

/** How often each body is among answers. */
export function countBodies(answers: Answer[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { body } of answers) counts[body] = (counts[body] ?? 0) + 1
  return counts
}
