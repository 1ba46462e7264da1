import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer, type Server, type TLSSocket } from 'node:tls'
import type { TlsMaterial } from '../../../src/common/tls.ts'

/** What the proxy does to what BBS says; absent parts leave it as it is. */
export interface BbsDistortion {
  /** Another body for a bulk list; undefined cuts the connection. */
  bulk?: (path: string, body: Buffer) => Buffer | undefined
  /** The pieces to be sent now for one event that came; what it keeps back it may send with a later one. */
  event?: (event: Buffer) => Buffer[]
}

const eventsPath = '/v1/events/lrp_instances.r1'

/** Stands between a syncer and BBS, speaks its wire on both sides, and distorts what BBS says while it is told to. */
export class BbsProxy {
  distortion: BbsDistortion = {}
  readonly #upstream: number
  readonly #tls: TlsMaterial
  readonly #sockets = new Set<TLSSocket>()
  readonly #streams = new Set<TLSSocket>()
  #server: Server | undefined
  #held: PromiseWithResolvers<void> | undefined
  #port = 0

  /** `upstream` is the port of BBS on 127.0.0.1; `tls` serves as server and client. */
  constructor(upstream: number, tls: TlsMaterial) {
    this.#upstream = upstream
    this.#tls = tls
  }

  get port(): number {
    return this.#port
  }

  /** Listens, on the same port as before. */
  async listen(): Promise<this> {
    this.#server = createServer({ ...this.#tls, requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3' }, (socket) =>
      this.#serve(socket),
    )
    this.#server.on('tlsClientError', () => {})
    this.#server.listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
    return this
  }

  /** Is gone, with all connections. */
  async close(): Promise<void> {
    const closed = this.#server && once(this.#server, 'close')
    this.#server?.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
    this.#server = undefined
  }

  /** Connections stand, but nothing comes any more, as from a process that is paused. */
  hold(): void {
    this.#held = Promise.withResolvers()
  }

  /** What was held comes now. */
  release(): void {
    this.#held?.resolve()
    this.#held = undefined
  }

  /** Cuts the event streams. */
  cut(): void {
    for (const socket of this.#streams) socket.destroy()
  }

  #serve(client: TLSSocket): void {
    this.#sockets.add(client)
    client.on('error', () => {})
    client.on('close', () => this.#sockets.delete(client))
    let input = Buffer.alloc(0)
    let answering = Promise.resolve()
    client.on('data', (bytes: Buffer) => {
      input = Buffer.concat([input, bytes])
      for (let end = input.indexOf('\r\n\r\n'); end >= 0; end = input.indexOf('\r\n\r\n')) {
        const head = input.toString('latin1', 0, end)
        const length = end + 4 + Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
        if (input.length < length) return
        const request = Buffer.concat([
          Buffer.from(`${head.replace(/\r\nconnection:[^\r]*/i, '')}\r\nConnection: close\r\n\r\n`),
          input.subarray(end + 4, length),
        ])
        input = input.subarray(length)
        const path = /^POST (\S+)/.exec(head)?.[1] ?? ''
        answering = answering
          .then(() => (path === eventsPath ? this.#stream(client, request) : this.#bulk(client, path, request)))
          .catch(() => void client.destroy())
      }
    })
  }

  #connect(client: TLSSocket): TLSSocket {
    const socket = connect({
      ...this.#tls,
      host: '127.0.0.1',
      port: this.#upstream,
      servername: 'bbs.service.cf.internal',
      minVersion: 'TLSv1.3',
    })
    socket.on('error', () => client.destroy())
    const end = (): void => void socket.destroy()
    client.once('close', end)
    socket.once('close', () => client.off('close', end))
    return socket
  }

  async #bulk(client: TLSSocket, path: string, request: Buffer): Promise<void> {
    const socket = this.#connect(client)
    socket.write(request)
    const parts: Buffer[] = []
    for await (const part of socket) parts.push(part as Buffer)
    await this.#held?.promise
    const answer = Buffer.concat(parts)
    const head = answer.indexOf('\r\n\r\n')
    if (head < 0) throw new Error('no answer')
    const body = bodyOf(answer.toString('latin1', 0, head), answer.subarray(head + 4))
    const distorted = this.distortion.bulk ? this.distortion.bulk(path, body) : body
    if (!distorted) throw new Error('cut')
    client.write(
      Buffer.concat([
        Buffer.from(
          `${answer.toString('latin1', 0, answer.indexOf('\r\n'))}\r\nContent-Type: application/x-protobuf\r\nContent-Length: ${distorted.length}\r\n\r\n`,
        ),
        distorted,
      ]),
    )
  }

  async #stream(client: TLSSocket, request: Buffer): Promise<void> {
    const socket = this.#connect(client)
    this.#streams.add(client)
    client.on('close', () => this.#streams.delete(client))
    socket.write(request)
    let rest = Buffer.alloc(0)
    let begun = false
    for await (const part of socket) {
      await this.#held?.promise
      rest = Buffer.concat([rest, part as Buffer])
      if (!begun) {
        const end = rest.indexOf('\r\n\r\n')
        if (end < 0) continue
        begun = true
        client.write(rest.subarray(0, end + 4))
        rest = rest.subarray(end + 4)
      }
      // BBS sends each event as one chunk: "LENGTH;\r\n…\n\n\r\n".
      for (let end = rest.indexOf('\n\n\r\n'); end >= 0; end = rest.indexOf('\n\n\r\n')) {
        const chunk = rest.subarray(0, end + 4)
        rest = rest.subarray(end + 4)
        for (const piece of this.distortion.event?.(chunk) ?? [chunk]) client.write(piece)
      }
    }
    client.destroy()
  }
}

/** A body in either framing. */
function bodyOf(head: string, body: Buffer): Buffer {
  if (!/transfer-encoding: chunked/i.test(head)) return body
  const parts: Buffer[] = []
  for (let at = 0; ;) {
    const end = body.indexOf('\r\n', at)
    const size = Number.parseInt(body.toString('latin1', at, end), 16)
    if (!size) return Buffer.concat(parts)
    parts.push(body.subarray(end + 2, end + 2 + size))
    at = end + 4 + size
  }
}
