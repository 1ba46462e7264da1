import { once } from 'node:events'
import { createServer, request, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

export interface Exchange {
  method: string
  /** With its query. */
  path: string
  /** Content-Type of the request's body. */
  type?: string
  /** The request's body: JSON parsed, other text as it is, `bits` in place of an upload. */
  body?: unknown
  status: number
  location?: string
  /** The answer's body, JSON parsed or text. */
  answer?: unknown
}

/**
 * A proxy before an HTTP server of ours that tells what passes, request and answer, without credentials: no header is kept
 * but those an exchange names. Clients that follow the server's links stay with it, because the Host header goes on.
 */
export class Recorder {
  readonly #server: Server
  readonly url: string

  private constructor(server: Server) {
    this.#server = server
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  static async start(target: string, tell: (exchange: Exchange) => void): Promise<Recorder> {
    const { hostname, port } = new URL(target)
    const server = createServer((incoming, outgoing) => {
      const pass = async (): Promise<void> => {
        const sent = await buffer(incoming)
        const onward = request({ hostname, port, method: incoming.method!, path: incoming.url!, headers: incoming.headers })
        onward.end(sent)
        const [answer] = (await once(onward, 'response')) as [IncomingMessage]
        const received = await buffer(answer)
        const { 'content-type': type } = incoming.headers
        tell({
          method: incoming.method!,
          path: incoming.url!,
          ...(type && { type: type.split(';')[0]! }),
          ...(sent.length && { body: type?.startsWith('multipart/') ? 'bits' : content(sent) }),
          status: answer.statusCode!,
          ...(answer.headers.location && { location: answer.headers.location }),
          ...(received.length && { answer: content(received) }),
        })
        outgoing.writeHead(answer.statusCode!, answer.rawHeaders)
        outgoing.end(received)
      }
      pass().catch((error: Error) => outgoing.destroy(error))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new Recorder(server)
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

function content(bytes: Buffer): unknown {
  const text = bytes.toString()
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
