import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage, type Server } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { test } from 'tap'
import { ask, askHttp2, http2 } from '../../support/client.ts'
import { TestRouter } from './support.ts'

test('answers that come at once do not mix, however slowly they are taken', async (t) => {
  const router = await TestRouter.start(t)
  // More than the sockets on the way take.
  const size = 12_000_000
  const apps = await Promise.all(
    ['a', 'b', 'c', 'd'].map(async (letter) => {
      const { host } = await router.serve({ handler: (_request, response) => response.end(Buffer.alloc(size, letter)) })
      return { host, whole: Buffer.alloc(size, letter) }
    }),
  )
  const begin = async (host: string): Promise<IncomingMessage> => {
    const request = httpRequest({ host: '127.0.0.1', port: router.http, headers: { host }, agent: false }).end()
    return ((await once(request, 'response')) as [IncomingMessage])[0]
  }
  // All have begun, and are held back, before the first is read.
  const responses = await Promise.all(
    apps.flatMap((app) => Array.from({ length: 2 }, async () => ({ ...app, response: await begin(app.host) }))),
  )
  for (const { response, whole } of responses) t.ok((await buffer(response)).equals(whole))
  const session = http2(router.http)
  const answers = await Promise.all(
    apps.map(async ({ host, whole }) => (await askHttp2(session, { ':path': '/', ':authority': host })).body.equals(whole)),
  )
  t.strictSame(answers, [true, true, true, true])
  session.close()
})

test('what an instance sends unasked answers no request, and ends the connection', async (t) => {
  const router = await TestRouter.start(t)
  const { host, instances } = await router.serve()
  const app = instances[0]!.app as Server
  const answer = (body: string) => `HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n${body}`
  app.removeAllListeners('connection')
  app.on('connection', (socket) => socket.on('data', () => socket.write(answer('1') + answer('2'))).on('error', () => {}))
  for (let i = 0; i < 4; i++) t.equal((await ask(router.http, host)).body, '1')
  t.equal(instances[0]!.connections, 4)
})

test('an answer that comes before the request has ended leaves no rest of it for another', async (t) => {
  const router = await TestRouter.start(t)
  const { host, instances } = await router.serve({ handler: (request, response) => response.end(`${request.method}`) })
  const request = httpRequest({ host: '127.0.0.1', port: router.http, method: 'POST', headers: { host, 'content-length': '1000' } })
  request.on('error', () => {})
  request.write('GET /smuggled HTTP/1.1\r\n\r\n')
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  t.equal((await buffer(response)).toString(), 'POST')
  t.equal((await ask(router.http, host)).body, 'GET')
  t.equal(instances[0]!.connections, 2)
  request.destroy()
})
