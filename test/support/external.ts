import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import { createServer as createTlsServer, type ServerOptions } from 'node:https'
import { createServer as createTcpServer, type AddressInfo, type Server as TcpServer, type Socket } from 'node:net'
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import type { Scene } from './conformance.ts'

/** A name outside of the platform that nothing else in this mesh has. */
export const outside = ({ mesh }: Pick<Scene, 'mesh'>): string => mesh.host().replace('mesh.test', 'outside.test')

/** Serves until the test ends, at an address and port of this machine; answers the port. */
async function listening(t: Scene['t'], server: TcpServer, address = '127.0.0.1', port = 0): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => void sockets.add(socket.on('close', () => sockets.delete(socket))))
  server.listen(port, address)
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return (server.address() as AddressInfo).port
}

const answering = (answer: string | RequestListener): RequestListener =>
  typeof answer === 'string' ? (_request, response) => void response.end(answer) : answer

/** A service outside: over HTTP, over TLS, over HTTP/2 without TLS, or that echoes after a word. */
export const external = {
  http: (t: Scene['t'], answer: string | RequestListener, address?: string, port?: number): Promise<number> =>
    listening(t, createServer(answering(answer)), address, port),
  https: (t: Scene['t'], answer: string | RequestListener, tls: ServerOptions): Promise<number> =>
    listening(
      t,
      createTlsServer(tls, answering(answer)).on('tlsClientError', () => {}),
    ),
  http2: (t: Scene['t'], answer: (request: Http2ServerRequest, response: Http2ServerResponse) => void): Promise<number> =>
    listening(t, createHttp2Server(answer)),
  tcp: (t: Scene['t'], word: string): Promise<number> =>
    listening(
      t,
      createTcpServer((socket) => socket.once('data', (data: Buffer) => socket.end(`${word} ${data.toString()}`))),
    ),
}
