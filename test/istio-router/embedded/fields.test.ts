import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { test } from 'tap'
import { ask, askHttp2, http2, raw } from '../../support/client.ts'
import { eventually } from '../../support/wait.ts'
import { TestRouter } from './support.ts'

test('clients of HTTP/2 get what an app answers, however its fields are named and as often as they stand', async (t) => {
  const router = await TestRouter.start(t)
  const { host } = await router.serve({
    handler: (_request, response) => {
      const twice = ['x-content-type-options', 'nosniff', 'x-content-type-options', 'nosniff']
      response.writeHead(200, [...twice, 'constructor', 'a', '__proto__', 'b', 'http2-settings', 'c', 'trailer', 'constructor'])
      response.write('hello')
      response.addTrailers([
        ['constructor', 'd'],
        ['connection', 'e'],
      ])
      response.end()
    },
  })
  const session = http2(router.http)
  const { headers, trailers, body } = await askHttp2(session, { ':path': '/', ':authority': host })
  session.close()
  t.match(headers, { ':status': 200, 'x-content-type-options': 'nosniff', constructor: 'a' })
  t.notOk(headers['http2-settings'])
  t.strictSame([body.toString(), trailers['constructor'], trailers['connection']], ['hello', 'd', undefined])
})

test('an app of HTTP/2 gets what a client asks, however its fields are named and as often as they stand', async (t) => {
  const router = await TestRouter.start(t)
  const { host } = await router.serve({
    http2Handler: (request, response) => {
      request.resume()
      const fields = request.rawHeaders.filter((_field, at) => /^(if-none-match|constructor)$/.test(request.rawHeaders[at - (at % 2)]!))
      request.on('end', () => response.end(JSON.stringify([fields, request.trailers])))
    },
  })
  const seen = await raw(
    router.http,
    [
      `POST / HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\ntransfer-encoding: chunked`,
      'if-none-match: a\r\nif-none-match: b\r\nconstructor: c\r\n__proto__: d\r\n',
      '1\r\nx\r\n0\r\nconstructor: e\r\nconnection: f\r\n\r\n',
    ].join('\r\n'),
  )
  t.match(seen, /^HTTP\/1.1 200 /)
  t.match(seen, '[["if-none-match","a","if-none-match","b","constructor","c"],{"constructor":"e"}]')
})

test('a status that HTTP does not have goes on where it can, and is a 502 where it cannot', async (t) => {
  const router = await TestRouter.start(t)
  const { host } = await router.serve({ handler: (_request, response) => response.writeHead(999).end('no') })
  const session = http2(router.http)
  t.equal((await askHttp2(session, { ':path': '/', ':authority': host })).headers[':status'], 502)
  session.close()
  t.equal((await ask(router.http, host)).status, 999)
  t.notMatch(await router.metrics.metrics(), /NaN/)
})

test('a client of HTTP/2 that wants no answer any more, while its upload is held back, harms nobody', async (t) => {
  const router = await TestRouter.start(t, { settings: { streamIdleTimeout: '300ms' } })
  const { host, instances } = await router.serve({ handler: (request) => void request.pause() })
  const session = http2(router.http)
  const stream = session.request({ ':method': 'POST', ':path': '/', ':authority': host }).on('error', () => {})
  const arrived = once(instances[0]!.app, 'request')
  stream.write(Buffer.alloc(10_000_000))
  await arrived
  let written = 0
  await eventually(() => written === (written = session.socket.bytesWritten))
  stream.close(0)
  t.match(await router.logged(() => true), { path: '/' })
  session.destroy()
})

test('hints before an answer go on without the fields of the connection', async (t) => {
  const router = await TestRouter.start(t)
  const { host } = await router.serve({
    handler: ({ socket }, response) => {
      socket.write('HTTP/1.1 103 Early Hints\r\nconnection: keep-alive\r\nlink: </a.css>\r\n\r\n')
      response.end('ok')
    },
  })
  const session = http2(router.http)
  const stream = session.request({ ':path': '/', ':authority': host })
  const [[hints], [answer]] = await Promise.all([once(stream, 'headers'), once(stream, 'response')])
  session.destroy()
  t.match(hints, { ':status': 103, link: '</a.css>' })
  t.match(answer, { ':status': 200 })
})

test('fields go on byte for byte, also where the head leaves before the body is there', async (t) => {
  const router = await TestRouter.start(t)
  const release = Promise.withResolvers<void>()
  const { host } = await router.serve({
    handler: ({ socket }) => {
      socket.write(Buffer.from('HTTP/1.1 200 OK\r\nx-name: é\r\ncontent-length: 2\r\n\r\n'))
      void release.promise.then(() => socket.write('ok'))
    },
  })
  const request = httpRequest({ port: router.http, headers: { host } }).end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  release.resolve()
  t.equal(Buffer.from(String(response.headers['x-name']), 'latin1').toString(), 'é')
  t.equal(await text(response), 'ok')
})
