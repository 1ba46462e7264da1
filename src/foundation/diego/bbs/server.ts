import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { create, toBinary } from '@bufbuild/protobuf'
import { DesiredLRPLifecycleResponseSchema, EventsByCellIdSchema } from '../../../common/proto/gen/bbs_pb.js'
import type { Part } from '../../../common/lifecycle.ts'
import type { Logger } from '../../../common/log.ts'
import type { TlsMaterial } from '../../../common/tls.ts'
import type { Bbs } from './bbs.ts'
import { BbsError } from './errors.ts'
import { streamEvents } from './event-stream.ts'
import { operations, parse } from './operations.ts'
import type { Element } from './row.ts'

const eventsPath = '/v1/events/lrp_instances.r1'
const maxBody = 16 * 1024 * 1024
/** How long one turn of encoding may hold the event loop, milliseconds. */
const turn = 5
/** How much of a list goes out in one write, bytes. */
const batch = 256 * 1024

export interface BbsServerOptions {
  bbs: Bbs
  listen: { host: string; port: number }
  tls: TlsMaterial
  log: Logger
}

/** Serves BBS as the real one does: HTTPS with client certificates, TLS 1.3, HTTP/1.1, protobuf in POST bodies. */
export class BbsServer implements Part {
  readonly name = 'bbs'
  readonly #options: BbsServerOptions
  readonly #server: Server
  readonly #streams = new Set<() => void>()

  constructor(options: BbsServerOptions) {
    this.#options = options
    this.#server = createServer(
      { ...options.tls, requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3', ALPNProtocols: ['http/1.1'] },
      (request, response) => {
        this.#serve(request, response).catch((error: unknown) => {
          options.log.error({ err: error, path: request.url }, 'BBS request failed')
          response.destroy()
        })
      },
    )
    // Go's server keeps idle connections; this keeps them for long.
    this.#server.keepAliveTimeout = 120_000
    this.#server.on('tlsClientError', (error) => options.log.debug({ err: error }, 'BBS refused a connection'))
  }

  /** The port that was taken. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  async start(): Promise<void> {
    const { host, port } = this.#options.listen
    this.#server.listen(port, host)
    await once(this.#server, 'listening')
  }

  async stop(): Promise<void> {
    for (const end of this.#streams) end()
    if (!this.#server.listening) return
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeIdleConnections()
    const forced = setTimeout(() => this.#server.closeAllConnections(), 1000)
    await closed
    clearTimeout(forced)
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url!.split('?', 1)[0]!
    const operation = Object.hasOwn(operations, path) ? operations[path] : undefined
    if (!operation && path !== eventsPath) return refuse(response, 404, '404 page not found')
    if (request.method !== 'POST') return refuse(response.setHeader('Allow', 'POST'), 405, 'Method Not Allowed')
    const body = await readBody(request)
    if (!body) return refuse(response, 413, 'Request Entity Too Large')
    if (!operation) return this.#stream(request.socket, response, body)
    try {
      const answer = operation(this.#options.bbs, body)
      await (answer instanceof Uint8Array ? send(response, answer) : sendList(response, answer))
    } catch (error) {
      if (!(error instanceof BbsError)) throw error
      // Field 1 of every answer is the error, so that any of them can bear it.
      await send(
        response,
        toBinary(
          DesiredLRPLifecycleResponseSchema,
          create(DesiredLRPLifecycleResponseSchema, { error: { type: error.type, message: error.message } }),
        ),
      )
    }
  }

  #stream(socket: Socket, response: ServerResponse, body: Uint8Array): void {
    let cellId: string
    try {
      cellId = parse(EventsByCellIdSchema, body).cellId
    } catch {
      return refuse(response, 500, '')
    }
    const end = streamEvents(this.#options.bbs.events, socket, cellId)
    this.#streams.add(end)
    socket.once('close', () => this.#streams.delete(end))
  }
}

function refuse(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' }).end(`${text}\n`)
}

async function readBody(request: IncomingMessage): Promise<Uint8Array | undefined> {
  const parts: Buffer[] = []
  let length = 0
  for await (const part of request as AsyncIterable<Buffer>) {
    length += part.length
    if (length > maxBody) return undefined
    parts.push(part)
  }
  return Buffer.concat(parts)
}

async function send(response: ServerResponse, bytes: Uint8Array): Promise<void> {
  response.writeHead(200, { 'Content-Type': 'application/x-protobuf', 'Content-Length': bytes.length }).end(bytes)
}

/** Sends a list as it stands now; encodes and writes it in turns, so that others are served meanwhile. */
async function sendList(response: ServerResponse, elements: Element[]): Promise<void> {
  let length = 0
  let until = performance.now() + turn
  for (const { bytes } of elements) {
    length += bytes.length
    if (performance.now() < until) continue
    await nextTurn()
    until = performance.now() + turn
  }
  response.writeHead(200, { 'Content-Type': 'application/x-protobuf', 'Content-Length': length })
  // A client that goes away meanwhile is no error of ours.
  await pipeline(batches(elements), response).catch(() => {})
}

function* batches(elements: Element[]): Generator<Buffer> {
  let parts: Uint8Array[] = []
  let size = 0
  for (const { bytes } of elements) {
    parts.push(bytes)
    size += bytes.length
    if (size < batch) continue
    yield Buffer.concat(parts, size)
    parts = []
    size = 0
  }
  yield Buffer.concat(parts, size)
}
