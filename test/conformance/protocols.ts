import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { WebSocket, WebSocketServer } from 'ws'
import { behaviour } from '../support/conformance.ts'
import { ask, askHttp2, http2, raw } from '../support/client.ts'

behaviour('HTTP/2 is spoken over TLS by ALPN, and in clear text with prior knowledge', async ({ t, router, mesh }) => {
  const { host, instances } = await mesh.serve()
  for (const [port, tls] of [
    [router.https, { ca: router.ca, servername: host }],
    [router.http, undefined],
  ] as const) {
    const session = http2(port, tls)
    const answer = await askHttp2(session, { ':path': '/', ':authority': host })
    t.equal(answer.headers[':status'], 200)
    t.equal(answer.body.toString(), `instance ${instances[0]?.guid}`)
    session.close()
  }
})

behaviour('an app mapped with http2 is spoken to in HTTP/2, and gRPC trailers reach the client', async ({ t, router, mesh }) => {
  const { host } = await mesh.serve({
    http2Handler: (request, response) => {
      request.resume()
      request.on('end', () => {
        response.writeHead(200, { 'content-type': 'application/grpc', 'x-version': request.httpVersion })
        response.addTrailers({ 'grpc-status': '0', 'grpc-message': 'fine' })
        response.end(Buffer.from([0, 0, 0, 0, 0]))
      })
    },
  })
  const session = http2(router.https, { ca: router.ca, servername: host })
  const answer = await askHttp2(
    session,
    { ':method': 'POST', ':path': '/s/M', ':authority': host, 'content-type': 'application/grpc', te: 'trailers' },
    Buffer.from([0, 0, 0, 0, 0]),
  )
  t.equal(answer.headers[':status'], 200)
  t.equal(answer.headers['x-version'], '2.0')
  t.equal(answer.trailers['grpc-status'], '0')
  t.equal(answer.trailers['grpc-message'], 'fine')
  t.same(answer.body, Buffer.from([0, 0, 0, 0, 0]))
  session.close()
})

behaviour('a gRPC status that comes before the client has sent all reaches it', async ({ t, router, mesh }) => {
  const { host } = await mesh.serve({
    http2Handler: (_request, response) => {
      response.stream.on('error', () => {})
      response.writeHead(200, { 'content-type': 'application/grpc' })
      response.addTrailers({ 'grpc-status': '8', 'grpc-message': 'enough' })
      response.end()
    },
  })
  const session = http2(router.http)
  for (const bytes of [5, 1_000_000]) {
    const stream = session.request({
      ':method': 'POST',
      ':path': '/s/Upload',
      ':authority': host,
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    let trailers = {}
    stream.on('trailers', (received: object) => (trailers = received))
    stream.write(Buffer.alloc(bytes))
    await once(stream.resume(), 'end')
    t.match({ ...trailers }, { 'grpc-status': '8', 'grpc-message': 'enough' }, `${bytes} bytes sent`)
    stream.destroy()
  }
  session.close()
})

behaviour('an answer that comes before the request has ended reaches a client that goes on sending', async ({ t, router, mesh }) => {
  const { host } = await mesh.serve({ handler: (_request, response) => response.writeHead(413).end('too large') })
  const body = Buffer.alloc(20_000_000)
  for (const connection of ['close', 'keep-alive'])
    for (let i = 0; i < 3; i++)
      t.match(
        await ask(router.http, host, { method: 'POST', headers: { connection }, body }),
        { status: 413, body: 'too large' },
        connection,
      )
})

behaviour('what the router answers itself a gRPC client can read', async ({ t, router, mesh }) => {
  const session = http2(router.http)
  const host = mesh.host()
  const { headers } = await askHttp2(
    session,
    { ':method': 'POST', ':path': '/s/M', ':authority': host, 'content-type': 'application/grpc', te: 'trailers' },
    '',
  )
  t.match({ ...headers }, { ':status': 200, 'grpc-status': '12', 'x-cf-routererror': 'unknown_route' })
  t.match(String(headers['grpc-message']), `404 Not Found: Requested route ('${host}') does not exist.`)
  session.close()
})

behaviour('a bidirectional stream flows both ways at once', async ({ t, router, mesh }) => {
  const { host } = await mesh.serve({
    http2Handler: (_request, response) => {
      response.stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
      response.stream.pipe(response.stream)
    },
  })
  const session = http2(router.http)
  const stream = session.request({
    ':method': 'POST',
    ':path': '/s/Chat',
    ':authority': host,
    'content-type': 'application/grpc',
    te: 'trailers',
  })
  for (const message of ['one', 'two', 'three']) {
    stream.write(message)
    const [echo] = (await once(stream, 'data')) as [Buffer]
    t.equal(echo.toString(), message)
  }
  stream.end()
  await once(stream, 'end')
  session.close()
})

behaviour('WebSockets work in clear text and over TLS', async ({ t, router, mesh }) => {
  const { host, instances } = await mesh.serve()
  const sockets = new WebSocketServer({ noServer: true })
  instances[0]?.app.on('upgrade', (request: IncomingMessage, socket, head: Buffer) =>
    sockets.handleUpgrade(request, socket, head, (client) => client.on('message', (data) => client.send(data))),
  )
  for (const url of [`ws://127.0.0.1:${router.http}`, `wss://127.0.0.1:${router.https}`]) {
    const client = new WebSocket(url, { headers: { host }, ca: router.ca, ...({ servername: host } as object) })
    await once(client, 'open')
    client.send('hello')
    const [data] = (await once(client, 'message')) as [Buffer]
    t.equal(data.toString(), 'hello', url)
    client.close()
    await once(client, 'close')
  }
})

behaviour('a WebSocket over HTTP/2 reaches an HTTP/1.1 app (RFC 8441)', async ({ t, router, mesh }) => {
  const { host, instances } = await mesh.serve()
  const sockets = new WebSocketServer({ noServer: true })
  instances[0]?.app.on('upgrade', (request: IncomingMessage, socket, head: Buffer) =>
    sockets.handleUpgrade(request, socket, head, (client) => client.on('message', (data) => client.send(data))),
  )
  const session = http2(router.https, { ca: router.ca, servername: host })
  const [settings] = (await once(session, 'remoteSettings')) as [{ enableConnectProtocol?: boolean }]
  t.ok(settings.enableConnectProtocol)
  const stream = session.request({
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':scheme': 'https',
    ':path': '/',
    ':authority': host,
    'sec-websocket-version': '13',
  })
  const [headers] = (await once(stream, 'response')) as [{ ':status'?: number }]
  t.equal(headers[':status'], 200)
  // A masked text frame "hi", and its echo as an unmasked binary one (RFC 6455 §5.2).
  stream.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]))
  const [frame] = (await once(stream, 'data')) as [Buffer]
  t.same(frame, Buffer.from([0x82, 0x02, 0x68, 0x69]))
  stream.close()
  session.close()
})

behaviour(
  'the answer to a WebSocket’s handshake is what the app said, with the request’s id and its session’s cookie',
  async ({ t, router, mesh }) => {
    const { host, instances } = await mesh.serve({ labels: { 'mesh.cloudfoundry.org/sticky-session': 'true' } })
    instances[0]!.app.on('upgrade', (request: IncomingMessage, socket) => {
      if (request.url === '/refused') return socket.end('HTTP/1.1 403 Forbidden\r\nX-Why: because\r\nContent-Length: 2\r\n\r\nno')
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSet-Cookie: JSESSIONID=1\r\n\r\nfirst')
    })
    const upgrade = (path: string): string =>
      `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n`
    const switched = await raw(router.http, upgrade('/'), 'first')
    t.match(switched, /^HTTP\/1\.1 101 /)
    t.match(switched, /\r\nx-vcap-request-id: [0-9a-f-]{36}\r\n/)
    t.match(switched, `\r\nset-cookie: __VCAP_ID__=${instances[0]?.guid}; Path=/; HttpOnly\r\n`)
    t.match(await raw(router.http, upgrade('/refused'), '\r\n\r\nno'), /^HTTP\/1\.1 403 [^]*\r\nx-why: because\r\n/)
  },
)

behaviour('an offer to upgrade to TLS or h2c is passed over, and the request served', async ({ t, router, mesh }) => {
  const { host } = await mesh.serve({
    handler: (request, response) => void text(request).then((body) => response.end(`${request.headers.upgrade} ${body}`)),
  })
  // As Apache HttpClient 5.4 and Java's own client write with every request.
  for (const upgrade of ['TLS/1.2', 'TLS/1.0, HTTP/2.0', 'h2c'])
    for (const body of ['', 'body'])
      t.match(
        await ask(router.http, host, { method: body ? 'POST' : 'GET', body, headers: { connection: 'Upgrade', upgrade } }),
        { status: 200, body: `undefined ${body}` },
        upgrade,
      )
  t.equal((await ask(router.http, host, { headers: { connection: 'Upgrade', upgrade: 'other' } })).status, 403)
})

behaviour('a request to upgrade that follows others on its connection has its turn after them', async ({ t, router, mesh }) => {
  let release: () => void = () => {}
  const { host, instances } = await mesh.serve({
    handler: (request, response) => {
      if (request.url !== '/first') return response.end('second')
      release = () => response.end('first')
    },
  })
  instances[0]!.app.on('upgrade', (_request: IncomingMessage, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    socket.pipe(socket)
  })
  const client = connect(router.http, '127.0.0.1')
  let received = ''
  client.on('data', (data: Buffer) => (received += data.toString()))
  const get = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${more}\r\n`
  client.write(get('/first') + get('/second') + get('/third', 'Connection: Upgrade\r\nUpgrade: websocket\r\n'))
  await mesh.eventually(() => instances[0]!.requests === 1)
  client.write('early')
  release()
  await mesh.eventually(() => received.endsWith('early'))
  t.match(received, /HTTP\/1.1 200[^]*first[^]*HTTP\/1.1 200[^]*second[^]*HTTP\/1.1 101[^]*\r\n\r\nearly$/)
  client.destroy()
})

behaviour('large bodies pass whole in both directions', async ({ t, router, mesh }) => {
  const { host } = await mesh.serve({ handler: (request, response) => request.pipe(response) })
  const body = Buffer.alloc(5_000_000, 'mesh')
  const answer = await ask(router.http, host, { method: 'POST', body })
  t.equal(answer.body.length, body.length)
  t.equal(answer.body, body.toString())
  const session = http2(router.https, { ca: router.ca, servername: host })
  const second = await askHttp2(session, { ':method': 'POST', ':path': '/', ':authority': host }, body)
  t.ok(second.body.equals(body))
  session.close()
})

behaviour('a slow reader holds the app back instead of filling memory', async ({ t, router, mesh }) => {
  let written = 0
  const { host } = await mesh.serve({
    handler: (_request, response) => {
      const chunk = Buffer.alloc(65_536)
      const write = (): void => {
        while (!response.destroyed && written < 500_000_000) {
          written += chunk.length
          if (!response.write(chunk)) return void response.once('drain', write)
        }
      }
      write()
    },
  })
  const outgoing = httpRequest({ host: '127.0.0.1', port: router.http, headers: { host } })
  outgoing.on('error', () => {})
  outgoing.end()
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
  response.on('error', () => {})
  let last = -1
  await mesh.eventually(async () => {
    const stalled = written === last
    last = written
    for (let i = 0; i < 100; i++) await turn()
    return stalled
  })
  t.ok(written < 60_000_000, `${written} bytes written while nobody read`)
  outgoing.destroy()
})

behaviour('100-continue is passed on', async ({ t, router, mesh }) => {
  const { host } = await mesh.serve({ handler: (request, response) => void text(request).then((body) => response.end(`got ${body}`)) })
  const outgoing = httpRequest({
    host: '127.0.0.1',
    port: router.http,
    method: 'POST',
    headers: { host, expect: '100-continue', 'content-length': 4 },
  })
  outgoing.flushHeaders()
  await once(outgoing, 'continue')
  outgoing.end('body')
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
  t.equal(await text(response), 'got body')
})

behaviour('an app can refuse a request that expects 100-continue before its body is sent', async ({ t, router, mesh }) => {
  const { host, instances } = await mesh.serve()
  instances[0]!.app.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    response.writeHead(401).end(request.headers.expect)
  })
  const outgoing = httpRequest({
    host: '127.0.0.1',
    port: router.http,
    method: 'POST',
    headers: { host, expect: '100-continue', 'content-length': 4 },
  })
  outgoing.on('continue', () => t.fail('nobody said so'))
  outgoing.on('error', () => {})
  outgoing.flushHeaders()
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
  t.equal(response.statusCode, 401)
  t.equal(await text(response), '100-continue')
  outgoing.destroy()
})

behaviour('early hints reach the client before the answer', async ({ t, router, mesh }) => {
  const { host } = await mesh.serve({
    handler: (_request, response) => response.writeEarlyHints({ link: '</style.css>; rel=preload' }, () => response.end('page')),
  })
  const answer = await raw(router.http, `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
  t.match(answer, /^HTTP\/1\.1 103 [^]*link: <\/style\.css>; rel=preload\r\n\r\nHTTP\/1\.1 200 [^]*\r\n\r\npage$/)
})

behaviour('HTTP/1.0 is refused', async ({ t, router, mesh }) => {
  const { host } = await mesh.serve()
  t.match(await raw(router.http, `GET / HTTP/1.0\r\nHost: ${host}\r\n\r\n`), /^HTTP\/1\.1 426 /)
})

behaviour('HEAD, 204 and 304 have no body and keep their headers', async ({ t, router, mesh }) => {
  const { host } = await mesh.serve({
    handler: (request, response) => {
      if (request.method === 'HEAD') response.setHeader('content-length', '1234')
      response.statusCode = request.method === 'HEAD' ? 200 : Number(request.url?.slice(1))
      response.setHeader('x-kept', 'yes')
      response.end()
    },
  })
  const head = await ask(router.http, host, { method: 'HEAD' })
  t.match(head, { status: 200, body: '', headers: { 'content-length': '1234', 'x-kept': 'yes' } })
  for (const status of [204, 304])
    t.match(await ask(router.http, host, { path: `/${status}` }), { status, body: '', headers: { 'x-kept': 'yes' } })
})

behaviour('trailers of HTTP/1.1 pass', async ({ t, router, mesh }) => {
  const { host } = await mesh.serve({
    handler: (_request, response) => {
      response.writeHead(200, { trailer: 'x-sum' })
      response.write('body')
      response.addTrailers({ 'x-sum': '42' })
      response.end()
    },
  })
  t.equal((await ask(router.http, host, { headers: { te: 'trailers' } })).trailers['x-sum'], '42')
})

behaviour('a client that goes away ends its request at the app', async ({ t, router, mesh }) => {
  let aborted = false
  const { host, instances } = await mesh.serve({ handler: (_request, response) => void response.on('close', () => (aborted = true)) })
  const outgoing = httpRequest({ host: '127.0.0.1', port: router.http, headers: { host } })
  outgoing.on('error', () => {})
  outgoing.end()
  await mesh.eventually(() => instances[0]?.requests)
  outgoing.destroy()
  t.ok(await mesh.eventually(() => aborted))
})

behaviour('connections to an instance are used again', async ({ t, router, mesh }) => {
  const { host, instances } = await mesh.serve()
  for (let i = 0; i < 20; i++) await ask(router.http, host)
  t.ok((instances[0]?.connections ?? 99) <= 4, `${instances[0]?.connections} connections for 20 requests`)
})

behaviour('the certificate is chosen by the name asked for', async ({ t, router }) => {
  for (const [servername, common] of [
    ['x.mesh.test', 'mesh.test'],
    ['x.other.test', 'other.test'],
  ] as const) {
    const socket: TLSSocket = connectTls({ port: router.https, host: '127.0.0.1', servername, ca: router.ca })
    await once(socket, 'secureConnect')
    t.equal(socket.getPeerCertificate().subject.CN, common)
    socket.destroy()
  }
})

behaviour('ambiguous and oversized requests are refused', async ({ t, router, mesh }) => {
  const { host, instances } = await mesh.serve()
  const refused: [string, string][] = [
    ['length and chunked', `POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['two lengths', `POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde`],
    ['two hosts', `GET / HTTP/1.1\r\nHost: ${host}\r\nHost: other.test\r\n\r\n`],
    ['no host', 'GET / HTTP/1.1\r\n\r\n'],
    ['chunked twice', `POST / HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`],
    ['space before the colon', `GET / HTTP/1.1\r\nHost : ${host}\r\n\r\n`],
    ['a huge header', `GET / HTTP/1.1\r\nHost: ${host}\r\nX-Big: ${'x'.repeat(200_000)}\r\n\r\n`],
    ['a huge url', `GET /${'x'.repeat(200_000)} HTTP/1.1\r\nHost: ${host}\r\n\r\n`],
  ]
  for (const [what, bytes] of refused) t.notMatch(await raw(router.http, bytes, '\r\n\r\n'), /^HTTP\/1\.1 [123]/, what)
  t.equal(instances[0]?.requests, 0, 'the app saw none of them')
})

behaviour('bytes of an answer’s headers pass as they are, whatever they are encoded in', async ({ t, router, mesh }) => {
  const values = ['attachment; filename="\xfcber.pdf"', Buffer.from('attachment; filename="über €.pdf"').toString('latin1')]
  const { host } = await mesh.serve({
    tcpHandler: (socket) => {
      socket.on('data', (data: Buffer) => {
        const value = values[Number(/^GET \/(\d)/.exec(data.toString())?.[1])]
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Disposition: ${value}\r\nX-Name: ${value}\r\n\r\nok`, 'latin1')
      })
    },
  })
  const session = http2(router.http)
  for (const [index, value] of values.entries()) {
    const seen = await raw(router.http, `GET /${index} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
    t.match(seen, `content-disposition: ${value}\r\n`)
    t.match(seen, `x-name: ${value}\r\n`)
    const { headers, body } = await askHttp2(session, { ':path': `/${index}`, ':authority': host })
    t.match({ ...headers }, { 'content-disposition': value, 'x-name': value }, 'over HTTP/2')
    t.equal(body.toString(), 'ok')
  }
  session.close()
})

behaviour('an answer of a known length may name trailers', async ({ t, router, mesh }) => {
  const { host } = await mesh.serve({
    tcpHandler: (socket) => {
      socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nTrailer: x-sum\r\nContent-Length: 2\r\n\r\nok'))
    },
  })
  t.match(await ask(router.http, host), { status: 200, body: 'ok' })
})

behaviour('an answer can have hundreds of headers', async ({ t, router, mesh }) => {
  const cookies = Array.from({ length: 400 }, (_value, index) => `cookie${index}=1`)
  const { host } = await mesh.serve({ handler: (_request, response) => response.setHeader('set-cookie', cookies).end() })
  t.match(await ask(router.http, host), { status: 200, headers: { 'set-cookie': cookies } })
})
