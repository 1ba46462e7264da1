import { request } from 'node:https'
import { connect, type TLSSocket } from 'node:tls'
import { create, type DescMessage, fromBinary, type MessageInitShape, type MessageShape, toBinary } from '@bufbuild/protobuf'
import {
  ActualLRPCrashedEventSchema,
  ActualLRPInstanceChangedEventSchema,
  ActualLRPInstanceCreatedEventSchema,
  ActualLRPInstanceRemovedEventSchema,
  DesiredLRPChangedEventSchema,
  DesiredLRPCreatedEventSchema,
  DesiredLRPRemovedEventSchema,
  EventsByCellIdSchema,
} from '../../../src/common/proto/gen/bbs_pb.js'
import { client, eventually } from './harness.ts'

export interface RawAnswer {
  status: number
  headers: Record<string, unknown>
  body: Buffer
}

/** One request with any method and body, as a client that knows nothing of protobuf would send it. */
export function send(
  port: number,
  path: string,
  { method = 'POST', body = Buffer.alloc(0), tls = client }: { method?: string; body?: Buffer; tls?: object } = {},
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const call = request(
      { host: '127.0.0.1', port, path, method, agent: false, servername: 'bbs.service.cf.internal', ...tls },
      (response) => {
        const parts: Buffer[] = []
        response.on('data', (part: Buffer) => parts.push(part))
        response.once('end', () => resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(parts) }))
        response.once('error', reject)
      },
    )
    call.once('error', reject)
    call.end(body)
  })
}

/** A request and its answer as messages. */
export async function call<Request extends DescMessage, Answer extends DescMessage>(
  port: number,
  path: string,
  requestSchema: Request,
  init: MessageInitShape<Request>,
  answerSchema: Answer,
): Promise<MessageShape<Answer>> {
  const { body } = await send(port, path, { body: Buffer.from(toBinary(requestSchema, create(requestSchema, init))) })
  return fromBinary(answerSchema, body)
}

const events: Record<string, DescMessage> = {
  actual_lrp_crashed: ActualLRPCrashedEventSchema,
  actual_lrp_instance_changed: ActualLRPInstanceChangedEventSchema,
  actual_lrp_instance_created: ActualLRPInstanceCreatedEventSchema,
  actual_lrp_instance_removed: ActualLRPInstanceRemovedEventSchema,
  desired_lrp_changed: DesiredLRPChangedEventSchema,
  desired_lrp_created: DesiredLRPCreatedEventSchema,
  desired_lrp_removed: DesiredLRPRemovedEventSchema,
}

/** The bytes of an event stream, read from the socket itself. */
export class RawStream {
  readonly #socket: TLSSocket
  text = ''
  closed = false

  constructor(socket: TLSSocket) {
    this.#socket = socket
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => (this.text += text))
    socket.on('close', () => (this.closed = true))
    socket.on('error', () => {})
  }

  /** Each chunk as its header line and content. */
  get chunks(): { header: string; content: string }[] {
    const chunks = []
    let at = this.text.indexOf('\r\n\r\n') + 4
    for (;;) {
      const end = this.text.indexOf('\r\n', at)
      if (end < 0) return chunks
      const header = this.text.slice(at, end)
      const length = parseInt(header, 16)
      if (this.text.length < end + 2 + length + 2) return chunks
      chunks.push({ header, content: this.text.slice(end + 2, end + 2 + length) })
      at = end + 2 + length + 2
    }
  }

  get names(): string[] {
    return this.chunks.filter(({ content }) => content).map(({ content }) => /^event: (.*)$/m.exec(content)![1]!)
  }

  get messages(): { id: number; name: string; message: Record<string, any> }[] {
    return this.chunks
      .filter(({ content }) => content)
      .map(({ content }) => {
        const [, id, name, data] = /^id: (\d+)\nevent: (.*)\ndata: (.*)\n\n$/.exec(content)!
        return { id: Number(id), name: name!, message: fromBinary(events[name!]!, Buffer.from(data!, 'base64')) }
      })
  }

  pause(): void {
    this.#socket.pause()
  }

  close(): void {
    this.#socket.destroy()
  }
}

export async function subscribe(port: number, cellId = ''): Promise<RawStream> {
  const socket = connect({ host: '127.0.0.1', port, servername: 'bbs.service.cf.internal', ...client })
  const stream = new RawStream(socket)
  const body = toBinary(EventsByCellIdSchema, create(EventsByCellIdSchema, { cellId }))
  socket.write(
    `POST /v1/events/lrp_instances.r1 HTTP/1.1\r\nHost: bbs\r\nContent-Type: application/x-protobuf\r\nContent-Length: ${body.length}\r\n\r\n`,
  )
  socket.write(body)
  await eventually('a head', () => stream.text.includes('\r\n\r\n'))
  return stream
}
