import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage, type Server } from 'node:http'
import type { Http2Server, Http2ServerRequest } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { buffer, text } from 'node:stream/consumers'
import { queryObjects } from 'node:v8'
import { test, type Test } from 'tap'
import { WebSocket, WebSocketServer, type ClientOptions } from 'ws'
import { ask, askHttp2, http2, raw } from '../../support/client.ts'
import { eventually } from '../../support/wait.ts'
import { serverAuthority, TestRouter, type AppOptions } from './support.ts'

const ca = serverAuthority.certificate
const echo: AppOptions['handler'] = (request, response) => {
  response.setHeader('x-method', request.method!)
  request.pipe(response)
}

/** A gRPC server as an app: echoes messages and says so in trailers; `/fail` answers with trailers only. */
const grpcEcho: AppOptions['http2Handler'] = (request, response) => {
  if (request.url === '/fail') {
    response.stream.respond(
      { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '5', 'grpc-message': 'none' },
      { endStream: true },
    )
    return
  }
  response.writeHead(200, { 'content-type': 'application/grpc' })
  request.on('data', (chunk: Buffer) => response.write(chunk))
  request.on('end', () => {
    response.addTrailers({ 'grpc-status': '0', 'x-te': String(request.headers.te) })
    response.end()
  })
}

test('bodies of any framing reach the app whole, and its answers the client', async (t) => {
  const router = await TestRouter.start(t)
  const { host } = await router.serve({ handler: echo })
  const body = Buffer.alloc(300_000, 'abc')
  for (const headers of [{ 'content-length': String(body.length) }, { 'transfer-encoding': 'chunked' }]) {
    const answer = await ask(router.http, host, { method: 'POST', headers, body })
    t.equal(answer.body.length, body.length)
    t.equal(answer.headers['x-method'], 'POST')
  }
  t.equal((await ask(router.http, host, { method: 'POST', headers: { 'content-length': '0' } })).body, '')
  t.match(await router.logged(({ bytes_received }) => bytes_received === body.length), { bytes_sent: body.length })
})

test('HEAD, 204 and 304 have no body, and the connection goes on', async (t) => {
  const router = await TestRouter.start(t)
  const { host } = await router.serve({
    handler: (request, response) => {
      const status = Number(request.url!.slice(1)) || 200
      response
        .writeHead(status, status === 200 ? { 'content-length': '5', etag: '"e"' } : { etag: '"e"' })
        .end(status === 200 ? 'hello' : undefined)
    },
  })
  const seen = await raw(
    router.http,
    ['HEAD /', 'GET /204', 'GET /304', 'GET /'].map((line) => `${line} HTTP/1.1\r\nhost: ${host}\r\n\r\n`).join(''),
    'hello',
  )
  t.strictSame(
    [...seen.matchAll(/HTTP\/1.1 (\d+)/g)].map(([, status]) => status),
    ['200', '204', '304', '200'],
  )
  t.equal(seen.match(/content-length: 5/gi)?.length, 2)
  t.equal(seen.match(/hello/g)?.length, 1)
})

test('HTTP/2 clients are served with TLS and, with prior knowledge, without', async (t) => {
  const router = await TestRouter.start(t)
  const { host } = await router.serve({ handler: echo })
  for (const session of [http2(router.https, { ca, servername: 'mesh.test' }), http2(router.http)]) {
    const answers = await Promise.all(
      ['one', 'two', 'x'.repeat(100_000)].map((body) =>
        askHttp2(session, { ':method': 'POST', ':path': '/', ':authority': host, cookie: ['a=1', 'b=2'] }, body),
      ),
    )
    t.strictSame(
      answers.map(({ headers, body }) => [headers[':status'], body.length]),
      [
        [200, 3],
        [200, 3],
        [200, 100_000],
      ],
    )
    session.close()
  }
})

test('gRPC passes both ways with its trailers', async (t) => {
  const router = await TestRouter.start(t)
  const { host } = await router.serve({ http2Handler: grpcEcho })
  const session = http2(router.https, { ca, servername: 'mesh.test' })
  const head = { ':method': 'POST', ':authority': host, 'content-type': 'application/grpc', te: 'trailers' }
  const stream = session.request({ ...head, ':path': '/echo' })
  const trailers = once(stream, 'trailers')
  for (const message of ['first', 'second']) {
    stream.write(message)
    const [chunk] = (await once(stream, 'data')) as [Buffer]
    t.equal(chunk.toString(), message, 'arrives while the request goes on')
  }
  stream.end()
  t.match((await trailers)[0], { 'grpc-status': '0', 'x-te': 'trailers' })
  const failed = await askHttp2(session, { ...head, ':path': '/fail' }, '')
  t.match(failed, { headers: { ':status': 200, 'grpc-status': '5', 'grpc-message': 'none' }, trailers: {} })
  session.close()
  t.match(await router.logged(({ path }) => path === '/echo'), { protocol: 'HTTP/2', status: 200 })
})

test('an app that speaks HTTP/2 serves HTTP/1.1 clients', async (t) => {
  const router = await TestRouter.start(t)
  const { host } = await router.serve({ http2Handler: (request, response) => void request.pipe(response) })
  t.equal((await ask(router.http, host, { method: 'POST', body: 'hello' })).body, 'hello')
  t.equal((await ask(router.http, host)).status, 200)
})

test('trailers of requests and responses pass over HTTP/1.1', async (t) => {
  const router = await TestRouter.start(t)
  const { host } = await router.serve({
    handler: (request, response) => {
      response.setHeader('trailer', 'x-back')
      request.on('data', (chunk: Buffer) => response.write(chunk))
      request.on('end', () => {
        response.addTrailers({ 'x-back': String(request.trailers['x-forth']) })
        response.end()
      })
    },
  })
  const request = httpRequest({
    host: '127.0.0.1',
    port: router.http,
    method: 'POST',
    headers: { host, trailer: 'x-forth', 'transfer-encoding': 'chunked' },
  })
  request.write('body')
  request.addTrailers({ 'x-forth': 'yes' })
  request.end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  t.equal(await text(response), 'body')
  t.equal(response.trailers['x-back'], 'yes')
})

test("100-continue is the app's to say", async (t) => {
  const router = await TestRouter.start(t)
  const { host, instances } = await router.serve({ handler: echo })
  const app = instances[0]!.app as Server
  let refuse = false
  app.on('checkContinue', (request, response) => {
    if (refuse) response.writeHead(417).end()
    else {
      response.writeContinue()
      app.emit('request', request, response)
    }
  })
  const send = async () => {
    const request = httpRequest({
      host: '127.0.0.1',
      port: router.http,
      method: 'POST',
      headers: { host, expect: '100-continue', 'content-length': '4' },
    })
    let continued = false
    request.on('continue', () => {
      continued = true
      request.end('body')
    })
    request.flushHeaders()
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    const body = await text(response)
    request.destroy()
    return { continued, status: response.statusCode, body }
  }
  t.strictSame(await send(), { continued: true, status: 200, body: 'body' })
  refuse = true
  t.match(await send(), { continued: false, status: 417 })
})

test('early hints pass before the answer', async (t) => {
  const router = await TestRouter.start(t)
  const { host } = await router.serve({
    handler: (_request, response) => response.writeEarlyHints({ link: '</a.css>; rel=preload' }, () => response.end('late')),
  })
  const seen = await raw(router.http, `GET / HTTP/1.1\r\nhost: ${host}\r\n\r\n`, 'late')
  t.match(seen, /^HTTP\/1.1 103 [^]*link: <\/a.css>[^]*HTTP\/1.1 200/)
})

async function webSocketApp(t: Test, router: TestRouter) {
  const served = await router.serve()
  const sockets = new WebSocketServer({ server: served.instances[0]!.app as Server })
  sockets.on('connection', (socket) => socket.on('message', (message: Buffer) => socket.send(`echo ${message.toString()}`)))
  t.teardown(() => sockets.close())
  return served
}

test('WebSocket passes over HTTP/1.1, with and without TLS', async (t) => {
  const router = await TestRouter.start(t)
  const { host } = await webSocketApp(t, router)
  for (const url of [`ws://127.0.0.1:${router.http}`, `wss://127.0.0.1:${router.https}`]) {
    const socket = new WebSocket(url, { headers: { host }, ca, servername: 'mesh.test', rejectUnauthorized: true } as ClientOptions)
    await once(socket, 'open')
    socket.send('x'.repeat(100_000))
    const [message] = (await once(socket, 'message')) as [Buffer]
    t.equal(message.length, 100_005)
    socket.close()
    const [code] = (await once(socket, 'close')) as [number]
    t.equal(code, 1005)
  }
  t.match(await router.logged(({ status }) => status === 101), { method: 'GET', flags: '-' })
})

test('WebSocket passes over HTTP/2 by extended CONNECT', async (t) => {
  const router = await TestRouter.start(t)
  const { host } = await webSocketApp(t, router)
  const session = http2(router.https, { ca, servername: 'mesh.test' })
  await once(session, 'remoteSettings')
  const stream = session.request({
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':scheme': 'https',
    ':path': '/',
    ':authority': host,
    'sec-websocket-version': '13',
  })
  const [headers] = (await once(stream, 'response')) as [Record<string, unknown>]
  t.equal(headers[':status'], 200)
  t.notOk(headers['sec-websocket-accept'])
  stream.write(Buffer.concat([Buffer.from([0x81, 0x82, 0, 0, 0, 0]), Buffer.from('hi')]))
  const [frame] = (await once(stream, 'data')) as [Buffer]
  t.equal(frame.subarray(2).toString(), 'echo hi')
  stream.close()
  session.close()
})

test('a WebSocket over HTTP/2 to an app takes up a stream of its connection as long as it lasts', async (t) => {
  const router = await TestRouter.start(t)
  const { host, instances } = await router.serve({
    http2Handler: (_request, response) => response.end('ok'),
  })
  const app = instances[0]!.app as Http2Server
  app.updateSettings({ enableConnectProtocol: true, maxConcurrentStreams: 1 })
  app.on('connect', ({ stream }: Http2ServerRequest) => stream.respond())
  // The router's first request finds out what the app takes.
  t.equal((await ask(router.http, host)).body, 'ok')
  const request = httpRequest({ port: router.http, headers: { host, connection: 'upgrade', upgrade: 'websocket' } }).end()
  const [, socket] = (await once(request, 'upgrade')) as [IncomingMessage, Socket]
  t.equal((await ask(router.http, host)).body, 'ok')
  t.equal(instances[0]!.connections, 2)
  socket.destroy()
})

test('an upgrade that the app declines is an ordinary answer, one that is not allowed is 403', async (t) => {
  const router = await TestRouter.start(t)
  const { host } = await router.serve({ handler: (_request, response) => response.writeHead(400).end('no sockets') })
  const ask = (upgrade: string) => raw(router.http, `GET / HTTP/1.1\r\nhost: ${host}\r\nconnection: upgrade\r\nupgrade: ${upgrade}\r\n\r\n`)
  t.match(await ask('websocket'), /^HTTP\/1.1 400 [^]*no sockets/)
  t.match(await ask('spdy'), /^HTTP\/1.1 403 /)
  t.match(
    await raw(router.http, `GET / HTTP/1.1\r\nhost: ${host}\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n`, 'no sockets'),
    /^HTTP\/1.1 400 /,
  )
})

test('a response begins before its request has ended, and streams as it comes', async (t) => {
  const router = await TestRouter.start(t)
  const { host } = await router.serve({
    handler: (request, response) => {
      response.flushHeaders()
      request.on('data', (chunk: Buffer) => response.write(`<${chunk.toString()}>`)).on('end', () => response.end('.'))
    },
  })
  const request = httpRequest({ host: '127.0.0.1', port: router.http, method: 'POST', headers: { host, 'transfer-encoding': 'chunked' } })
  request.flushHeaders()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  for (const part of ['a', 'b']) {
    request.write(part)
    t.equal(((await once(response, 'data')) as [Buffer])[0].toString(), `<${part}>`)
  }
  request.end()
  t.equal(await text(response), '.')
})

test('a connection that ends with an early answer is not reset while its client still sends', async (t) => {
  const router = await TestRouter.start(t)
  const { host } = await router.serve({ handler: (_request, response) => response.writeHead(413).end('too large') })
  const client = connect({ port: router.http, host: '127.0.0.1', allowHalfOpen: true })
  client.on('error', (error) => t.fail(error.message))
  client.write(`POST / HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\ncontent-length: 3000000\r\n\r\n`)
  t.match(await text(client), /^HTTP\/1\.1 413 [^]*too large/)
  for (let i = 0; i < 3; i++) await new Promise((resolve) => client.write(Buffer.alloc(1_000_000), resolve))
  client.end()
  await once(client, 'close')
})

test('a client that does not read holds back the app', async (t) => {
  const router = await TestRouter.start(t)
  let written = 0
  const { host } = await router.serve({
    handler: (_request, response) => {
      const chunk = Buffer.alloc(65_536)
      const more = (): void => {
        while (written < 200_000_000) {
          written += chunk.length
          if (!response.write(chunk)) return void response.once('drain', more)
        }
        response.end()
      }
      more()
    },
  })
  const socket = connect(router.http, '127.0.0.1')
  socket.write(`GET / HTTP/1.1\r\nhost: ${host}\r\n\r\n`)
  await once(socket, 'readable')
  let last = -1
  while (last !== written) {
    last = written
    await new Promise((resolve) => setTimeout(resolve, 150))
  }
  t.ok(written < 60_000_000, `${written} bytes left the app`)
  socket.destroy()
  t.match(await router.logged(() => true), { flags: 'DC' })
})

test('an app that does not read holds back the client', async (t) => {
  const router = await TestRouter.start(t)
  let release = (): void => {}
  const { host } = await router.serve({
    handler: (request, response) => {
      release = () => void buffer(request).then((body) => response.end(String(body.length)))
    },
  })
  const size = 100_000_000
  const socket = connect(router.http, '127.0.0.1')
  socket.write(`POST / HTTP/1.1\r\nhost: ${host}\r\ncontent-length: ${size}\r\n\r\n`)
  let sent = 0
  const chunk = Buffer.alloc(1_000_000)
  const more = (): void => {
    while (sent < size) {
      sent += chunk.length
      if (!socket.write(chunk)) return
    }
  }
  socket.on('drain', more)
  more()
  let last = -1
  while (last !== sent) {
    last = sent
    await new Promise((resolve) => setTimeout(resolve, 150))
  }
  t.ok(sent < 60_000_000, `${sent} bytes left the client`)
  release()
  const [answer] = (await once(socket, 'data')) as [Buffer]
  t.match(answer.toString(), /100000000$/)
  socket.destroy()
})

test('a large answer to a request to upgrade arrives whole', async (t) => {
  const router = await TestRouter.start(t)
  const size = 12_000_000
  const { host } = await router.serve({ handler: (_request, response) => response.end(Buffer.alloc(size)) })
  const request = httpRequest({ port: router.http, headers: { host, connection: 'upgrade', upgrade: 'websocket' } }).end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  t.equal((await buffer(response)).length, size)
})

test('an HTTP/2 connection without streams ends by the idle timeout, one with a stream does not', async (t) => {
  const router = await TestRouter.start(t, { settings: { clientIdleTimeout: '0.3s' } })
  let release: () => void = () => {}
  const { host } = await router.serve({ handler: (_request, response) => (release = () => response.end('late')) })
  const [idle, busy] = [http2(router.http), http2(router.http)]
  const answer = askHttp2(busy, { ':path': '/', ':authority': host })
  await once(idle, 'close')
  t.notOk(busy.closed)
  release()
  t.equal((await answer).body.toString(), 'late')
  await once(busy, 'close')
})

test('nothing is left of an HTTP/2 connection that broke', async (t) => {
  const router = await TestRouter.start(t)
  const { host } = await router.serve()
  // The class of sessions, which Node does not export.
  const other = http2(router.http).on('connect', () => other.destroy())
  const type = Object.getPrototypeOf(other.constructor) as new () => object
  const before = queryObjects(type)
  for (let i = 0; i < 5; i++) {
    const session = http2(router.http)
    await askHttp2(session, { ':path': '/', ':authority': host })
    session.destroy()
  }
  await eventually(() => queryObjects(type) <= before)
  t.pass()
})
