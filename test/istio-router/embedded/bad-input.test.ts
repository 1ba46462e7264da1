import { test } from 'tap'
import { ask, askHttp2, http2, raw } from '../../support/client.ts'
import { TestRouter } from './support.ts'

const cases: [name: string, request: string, status: number][] = [
  ['no host', 'GET / HTTP/1.1\r\n\r\n', 400],
  ['two hosts', 'GET / HTTP/1.1\r\nhost: HOST\r\nhost: other\r\n\r\n', 400],
  ['a host that is none', 'GET / HTTP/1.1\r\nhost: HOST/evil\r\n\r\n', 400],
  ['length and chunked', 'POST / HTTP/1.1\r\nhost: HOST\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n', 400],
  ['chunked and length', 'POST / HTTP/1.1\r\nhost: HOST\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n', 400],
  ['two lengths', 'POST / HTTP/1.1\r\nhost: HOST\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello', 400],
  ['the same length twice', 'POST / HTTP/1.1\r\nhost: HOST\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello', 400],
  ['a signed length', 'POST / HTTP/1.1\r\nhost: HOST\r\ncontent-length: +5\r\n\r\nhello', 400],
  ['a list of lengths', 'POST / HTTP/1.1\r\nhost: HOST\r\ncontent-length: 5, 5\r\n\r\nhello', 400],
  ['a length beyond all bounds', 'POST / HTTP/1.1\r\nhost: HOST\r\ncontent-length: 1000000000000000\r\n\r\nhello', 400],
  ['an unknown encoding', 'POST / HTTP/1.1\r\nhost: HOST\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n', 501],
  ['chunked twice', 'POST / HTTP/1.1\r\nhost: HOST\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n', 400],
  ['chunked not last', 'POST / HTTP/1.1\r\nhost: HOST\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n', 400],
  ['an encoding disguised', 'POST / HTTP/1.1\r\nhost: HOST\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n', 501],
  ['an encoding with a tab', 'POST / HTTP/1.1\r\nhost: HOST\r\ntransfer-encoding:\tchunked\x0b\r\n\r\n0\r\n\r\n', 400],
  ['a space before the colon', 'POST / HTTP/1.1\r\nhost: HOST\r\ncontent-length : 5\r\n\r\nhello', 400],
  ['a bare line feed', 'GET / HTTP/1.1\nhost: HOST\n\n', 400],
  ['a bare line feed between headers', 'GET / HTTP/1.1\r\nhost: HOST\nx: y\r\n\r\n', 400],
  ['a folded header', 'GET / HTTP/1.1\r\nhost: HOST\r\nx: y\r\n z\r\n\r\n', 400],
  ['a header without name', 'GET / HTTP/1.1\r\nhost: HOST\r\n: y\r\n\r\n', 400],
  ['a NUL in a header', 'GET / HTTP/1.1\r\nhost: HOST\r\nx: a\0b\r\n\r\n', 400],
  ['a carriage return in a header', 'GET / HTTP/1.1\r\nhost: HOST\r\nx: a\rb\r\n\r\n', 400],
  ['a target that is none', 'GET nothing HTTP/1.1\r\nhost: HOST\r\n\r\n', 400],
  ['a NUL in the path', 'GET /%00 HTTP/1.1\r\nhost: HOST\r\n\r\n', 400],
  ['a fragment', 'GET /#a HTTP/1.1\r\nhost: HOST\r\n\r\n', 400],
  ['an unknown method', 'GEX / HTTP/1.1\r\nhost: HOST\r\n\r\n', 400],
  ['HTTP/1.0', 'GET / HTTP/1.0\r\nhost: HOST\r\n\r\n', 426],
  ['HTTP/3.0 in text', 'GET / HTTP/3.0\r\nhost: HOST\r\n\r\n', 400],
  ['an unknown expectation', 'GET / HTTP/1.1\r\nhost: HOST\r\nexpect: miracles\r\n\r\n', 417],
  ['CONNECT', 'CONNECT HOST:80 HTTP/1.1\r\nhost: HOST\r\n\r\n', 404],
  ['a bad chunk', 'POST / HTTP/1.1\r\nhost: HOST\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n', 400],
  ['too large a header', `GET / HTTP/1.1\r\nhost: HOST\r\nx: ${'y'.repeat(70_000)}\r\n\r\n`, 431],
  ['too long a URL', `GET /${'y'.repeat(70_000)} HTTP/1.1\r\nhost: HOST\r\n\r\n`, 431],
  ['too many headers', `GET / HTTP/1.1\r\nhost: HOST\r\n${Array.from({ length: 300 }, (_, i) => `x${i}: y\r\n`).join('')}\r\n`, 431],
  ['no HTTP at all', '\x16\x03\x01\x02\x00\x01\x00', 400],
]

test('what could be read in two ways is refused, and nothing of it reaches the app', async (t) => {
  const router = await TestRouter.start(t)
  const seen: string[] = []
  const { host } = await router.serve({
    handler: (request, response) => {
      seen.push(request.url!)
      request
        .resume()
        .on('end', () => response.end('served'))
        .on('error', () => {})
    },
  })
  for (const [name, request, status] of cases) {
    const answer = await raw(router.http, Buffer.from(request.replaceAll('HOST', host), 'latin1'), '\r\n\r\n')
    t.match(answer, new RegExp(`^HTTP/1.1 ${status} `), name)
  }
  t.ok(seen.length <= 1, `only the head before the bad chunk: ${seen.join()}`)
  t.equal((await ask(router.http, host)).body, 'served')
})

test('one connection carries no second request after a refused one', async (t) => {
  const router = await TestRouter.start(t)
  const { host } = await router.serve({ handler: (_request, response) => response.end('smuggled') })
  const answer = await raw(
    router.http,
    `POST / HTTP/1.1\r\nhost: ${host}\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: ${host}\r\n\r\n`,
  )
  t.equal(answer.match(/HTTP\/1.1/g)?.length, 1)
  t.notMatch(answer, /smuggled/)
})

test('an absolute target overrides the Host header', async (t) => {
  const router = await TestRouter.start(t)
  const { host } = await router.serve({ handler: (request, response) => response.end(`${request.headers.host} ${request.url}`) })
  t.match(await raw(router.http, `GET http://${host}/a?b HTTP/1.1\r\nhost: other\r\n\r\n`, '/a?b'), new RegExp(`${host} /a\\?b$`))
  t.match(await raw(router.http, `GET http://${host}?b HTTP/1.1\r\nhost: other\r\n\r\n`, '/?b'), new RegExp(`${host} /\\?b$`))
  t.match(await raw(router.http, `OPTIONS * HTTP/1.1\r\nhost: ${host}\r\n\r\n`, '\r\n\r\n'), /^HTTP\/1.1 4/)
})

test('fields of the connection stay on the connection', async (t) => {
  const router = await TestRouter.start(t)
  const { host } = await router.serve({
    handler: (request, response) => {
      response.setHeader('connection', 'close, x-private')
      response.setHeader('x-private', '1')
      response.end(JSON.stringify(request.headers))
    },
  })
  const { body, headers } = await ask(router.http, host, {
    headers: {
      connection: 'x-own, keep-alive, content-length, x-forwarded-for',
      'x-own': '1',
      'keep-alive': 'timeout=1',
      'proxy-connection': 'x',
      te: 'gzip',
    },
  })
  const forwarded = JSON.parse(body) as Record<string, string>
  t.strictSame(
    [forwarded['x-own'], forwarded['keep-alive'], forwarded['proxy-connection'], forwarded.te],
    [undefined, undefined, undefined, undefined],
  )
  t.ok(forwarded['x-forwarded-for'], 'a client cannot take away what the router says')
  t.notOk(headers['x-private'])
})

test('a slow client is cut off', async (t) => {
  const router = await TestRouter.start(t, { settings: { requestHeadersTimeout: '300ms' } })
  t.match(await raw(router.http, 'GET / HTTP/1.1\r\nhost: a'), /^HTTP\/1.1 408 /)
  t.equal(await raw(router.http, ''), '', 'one that says nothing is closed')
  t.equal(await raw(router.http, 'PRI * HT'), '')
})

test('HTTP/2 requests are held to the same rules', async (t) => {
  const router = await TestRouter.start(t)
  const { host } = await router.serve()
  const session = http2(router.http)
  const status = async (headers: Record<string, string>) =>
    (await askHttp2(session, { ':path': '/', ':authority': host, ...headers })).headers[':status']
  t.equal(await status({}), 200)
  t.equal(await status({ host: 'other.test' }), 400)
  t.equal(await status({ ':path': '/%00' }), 400)
  const { headers } = await askHttp2(session, { ':path': '/?\xff', ':authority': host })
  t.equal(headers[':status'], 400)
  t.notOk('x-vcap-request-id' in headers, 'the app has not been asked')
  t.equal(await status(Object.fromEntries(Array.from({ length: 205 }, (_, i) => [`x${i}`, 'y']))), 431)
  const unended = async (headers: Record<string, string>) =>
    new Promise((resolve) => session.request(headers).on('response', (answer) => resolve(answer[':status'])))
  t.equal(await unended({ ':method': 'CONNECT', ':authority': host }), 404)
  t.equal(await unended({ ':method': 'POST', ':path': '/', ':authority': host, 'content-length': '1000000000000000' }), 400)
  session.close()
})
