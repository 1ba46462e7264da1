import { connect, type TLSSocket } from 'node:tls'
import { problem } from '../../common/problem.ts'
import type { TlsMaterial } from '../../common/tls.ts'
import { ChunkedDecoder } from './chunked.ts'
import { readEvent, type BbsEvent } from './events.ts'
import { SseDecoder } from './sse.ts'

export const StreamRefused = problem('MESH_BBS_STREAM_REFUSED', 502, (address: string, why: string) => `event stream of ${address}: ${why}`)
export const StreamEnded = problem(
  'MESH_BBS_STREAM_ENDED',
  502,
  (address: string, why: string) => `event stream of ${address} ended: ${why}`,
)

export interface StreamOptions {
  /** `https://host:port`. */
  address: string
  tls: TlsMaterial
  /** Name that the certificate of BBS must bear. */
  serverName: string
  /** How long connecting and the answer's head may take, milliseconds. */
  timeout: number
  signal: AbortSignal
  /** BBS listens to changes from now on. */
  onOpen: () => void
  onEvent: (event: BbsEvent) => void
}

/** Longest head of the answer, bytes. */
const longestHead = 64 << 10
/** TCP keepalive finds a peer that vanished: the stream itself has no heartbeat and may be silent for hours. */
const keepAlive = 15_000

/**
 * Reads BBS's event stream until it ends, which is always a rejection. It speaks HTTP/1.1 itself over the socket, because
 * the real server's chunk headers are refused by Node's parsers. What it cannot read ends the stream; nothing is skipped.
 */
export async function readEventStream(options: StreamOptions): Promise<never> {
  const { address, tls, serverName, timeout, signal } = options
  signal.throwIfAborted()
  const { hostname, port, host } = new URL(address)
  const socket = connect({
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port || 443),
    ...tls,
    servername: serverName,
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['http/1.1'],
  })
  socket.setKeepAlive(true, keepAlive)
  socket.setTimeout(timeout, () => socket.destroy(StreamRefused(address, 'no answer in time')))
  const abort = (): void => void socket.destroy(signal.reason as Error)
  signal.addEventListener('abort', abort)
  try {
    return await new Promise<never>((_resolve, reject) => {
      const reader = new AnswerReader(options, socket)
      socket.once('secureConnect', () =>
        socket.write(
          `POST /v1/events/lrp_instances.r1 HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/x-protobuf\r\nAccept: text/event-stream\r\nContent-Length: 0\r\n\r\n`,
        ),
      )
      socket.on('data', (bytes: Buffer) => {
        try {
          reader.take(bytes)
        } catch (error) {
          socket.destroy(error as Error)
        }
      })
      socket.once('error', reject)
      socket.once('close', () => reject(StreamEnded(address, 'the connection was closed')))
    })
  } finally {
    signal.removeEventListener('abort', abort)
    socket.destroy()
  }
}

/** The answer as its bytes come: head, transfer coding, events. */
class AnswerReader {
  readonly #options: StreamOptions
  readonly #socket: TLSSocket
  readonly #events = new SseDecoder()
  #head: Buffer | undefined = Buffer.alloc(0)
  #chunks: ChunkedDecoder | undefined

  constructor(options: StreamOptions, socket: TLSSocket) {
    this.#options = options
    this.#socket = socket
  }

  take(bytes: Buffer): void {
    if (this.#head) {
      this.#head = Buffer.concat([this.#head, bytes])
      const end = this.#head.indexOf('\r\n\r\n')
      if (end < 0 && this.#head.length > longestHead) throw StreamRefused(this.#options.address, 'the head of the answer does not end')
      if (end < 0) return
      this.#begin(this.#head.toString('latin1', 0, end))
      bytes = this.#head.subarray(end + 4)
      this.#head = undefined
    }
    for (const content of this.#chunks ? this.#chunks.decode(bytes) : [bytes]) this.#read(content)
    if (this.#chunks?.ended) throw StreamEnded(this.#options.address, 'BBS said goodbye')
  }

  #begin(head: string): void {
    const [statusLine = '', ...lines] = head.split('\r\n')
    if (!/^HTTP\/1\.[01] 200\b/.test(statusLine))
      throw StreamRefused(this.#options.address, `it answered ${JSON.stringify(statusLine.slice(0, 80))}`)
    const headers = new Map(
      lines.map((line) => [
        line.slice(0, line.indexOf(':')).toLowerCase(),
        line
          .slice(line.indexOf(':') + 1)
          .trim()
          .toLowerCase(),
      ]),
    )
    if (!headers.get('content-type')?.startsWith('text/event-stream'))
      throw StreamRefused(this.#options.address, `its content type is ${headers.get('content-type') ?? 'missing'}`)
    if (headers.get('transfer-encoding')?.includes('chunked')) this.#chunks = new ChunkedDecoder()
    this.#socket.setTimeout(0)
    this.#options.onOpen()
  }

  #read(content: Buffer): void {
    for (const raw of this.#events.decode(content)) {
      const event = readEvent(raw)
      if (event) this.#options.onEvent(event)
    }
  }
}
