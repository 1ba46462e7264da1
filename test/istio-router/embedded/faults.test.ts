import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage, type Server } from 'node:http'
import { connect } from 'node:net'
import { buffer, text } from 'node:stream/consumers'
import { test } from 'tap'
import { ask, askHttp2, http2, raw } from '../../support/client.ts'
import { eventually } from '../../support/wait.ts'
import { resource } from '../../pilot/records.ts'
import { TestRouter } from './support.ts'

test('a request goes to another instance when one cannot be reached, whatever its method', async (t) => {
  const router = await TestRouter.start(t)
  const { host, instances } = await router.serve({ instances: 3 })
  await Promise.all(instances.slice(0, 2).map((instance) => instance.stop()))
  for (const options of [
    {},
    { method: 'POST', body: 'x'.repeat(1000) },
    { method: 'POST', headers: { 'transfer-encoding': 'chunked' }, body: 'y' },
  ]) {
    for (let i = 0; i < 3; i++) t.equal((await ask(router.http, host, options)).body, `instance ${instances[2]!.guid}`)
  }
  await instances[2]!.stop()
  t.match(await ask(router.http, host), { status: 502, headers: { 'x-cf-routererror': 'endpoint_failure' } })
  t.match(await router.logged(({ status }) => status === 502), { attempts: 3, flags: 'URX,UF' })
})

test('an address that belongs to another app now gets no byte of a request', async (t) => {
  const router = await TestRouter.start(t)
  const stale = await router.serve({ identity: 'instance-of-another-app' })
  t.match(await ask(router.http, stale.host), { status: 502, headers: { 'x-cf-routererror': 'endpoint_failure' } })
  t.equal(stale.instances[0]!.requests, 0)
  t.match(await router.logged(() => true), { failure: /not [0-9a-f-]{36}/ })
  const right = await stale.add({ identity: undefined })
  for (let i = 0; i < 4; i++)
    t.equal((await ask(router.http, stale.host, { method: 'POST', body: 'secret' })).body, `instance ${right.guid}`)
  t.equal(stale.instances[0]!.requests, 0)
})

test('HTTP/2 instances are checked and retried alike', async (t) => {
  const router = await TestRouter.start(t)
  const http2Handler = (_: unknown, response: { end: (body: string) => unknown }) => void response.end('right')
  const { host, instances, add } = await router.serve({ http2Handler, identity: 'instance-of-another-app' })
  t.match(await ask(router.http, host), { status: 502 })
  await add({ identity: undefined })
  for (let i = 0; i < 4; i++) t.equal((await ask(router.http, host, { method: 'POST', body: 'x' })).body, 'right')
  t.equal(instances[0]!.requests, 0)
})

test('a request that an instance broke is repeated only if that is safe', async (t) => {
  const router = await TestRouter.start(t)
  const broken = new Set<string>()
  const { host } = await router.serve({
    instances: 2,
    handler: (request, response) => {
      const key = String(request.headers['x-case'])
      if (broken.has(key)) return void response.end('repeated')
      broken.add(key)
      request.resume().on('end', () => request.socket.destroy())
    },
  })
  const send = (name: string, options: object) => ask(router.http, host, { ...options, headers: { 'x-case': name, 'content-length': '0' } })
  t.equal((await send('get', {})).body, 'repeated')
  t.equal((await send('put', { method: 'PUT' })).body, 'repeated')
  t.match(await send('post', { method: 'POST' }), { status: 502, headers: { 'x-cf-routererror': 'endpoint_failure' } })
  t.match(await ask(router.http, host, { method: 'PUT', body: 'body', headers: { 'x-case': 'put with body' } }), { status: 502 })
  t.match(await router.logged(({ method }) => method === 'POST'), { attempts: 1, flags: 'UC' })
})

test('a request whose upload goes on is repeated whole', async (t) => {
  const router = await TestRouter.start(t)
  let tries = 0
  const { host } = await router.serve({
    handler: (request, response) => {
      if (++tries === 1) return void request.once('data', () => response.writeHead(503).end())
      void text(request).then((body) => response.end(body))
    },
  })
  const http = [{ retries: { attempts: 1, retryOn: '5xx' }, route: [{ destination: { host } }] }]
  await router.change([resource('VirtualService', 'again', { hosts: [host], http })])
  const request = httpRequest({ port: router.http, method: 'POST', headers: { host, 'transfer-encoding': 'chunked' } })
  request.write('begin')
  await eventually(() => tries === 2)
  request.end(' and end')
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  t.same([response.statusCode, await text(response)], [200, 'begin and end'])
})

test('an answer that breaks off breaks off for the client too', async (t) => {
  const router = await TestRouter.start(t)
  const { host } = await router.serve({
    handler: (request, response) => {
      response.writeHead(200, { 'content-length': '100' })
      response.write('half', () => request.socket.destroy())
    },
  })
  const seen = await raw(router.http, `GET / HTTP/1.1\r\nhost: ${host}\r\n\r\n`)
  t.match(seen, /\r\n\r\nhalf$/)
  const session = http2(router.http)
  await t.rejects(askHttp2(session, { ':path': '/', ':authority': host }).then(({ body }) => body))
  session.close()
  t.match(await router.logged(() => true), { status: 200, flags: 'UC' })
})

test('what is no HTTP from an instance is a failed endpoint', async (t) => {
  const router = await TestRouter.start(t)
  for (const bytes of [
    'garbage\r\n\r\n',
    'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx',
    `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`,
  ]) {
    const { host, instances } = await router.serve()
    const app = instances[0]!.app as Server
    app.removeAllListeners('connection')
    app.on('connection', (socket) => socket.once('data', () => socket.end(bytes)).on('error', () => {}))
    t.match(await ask(router.http, host, { method: 'POST' }), { status: 502, headers: { 'x-cf-routererror': 'endpoint_failure' } })
  }
})

test('a client that goes away takes its request with it', async (t) => {
  const router = await TestRouter.start(t)
  let open = 0
  const { host } = await router.serve({
    handler: (request) => {
      open++
      request.on('close', () => open--)
    },
  })
  const socket = connect(router.http, '127.0.0.1')
  socket.write(`GET / HTTP/1.1\r\nhost: ${host}\r\n\r\n`)
  const session = http2(router.http)
  const stream = session.request({ ':path': '/', ':authority': host })
  stream.on('error', () => {})
  await eventually(() => open === 2)
  socket.destroy()
  stream.close(8)
  await eventually(() => open === 0)
  session.destroy()
  t.match(await router.logged(() => true), { flags: 'DC', status: 0 })
})

test('an app that takes too long is answered for: 504', async (t) => {
  const router = await TestRouter.start(t, { settings: { requestTimeout: '150ms' } })
  let closed = 0
  const { host } = await router.serve({ handler: (request) => void request.on('close', () => closed++) })
  t.match(await ask(router.http, host), { status: 504, headers: { 'x-cf-routererror': 'timeout' } })
  t.match(await ask(router.http, host, { method: 'POST', body: 'x' }), { status: 504 })
  await eventually(() => closed === 2)
  t.match(await router.logged(() => true), { flags: 'UT' })
})

test('an exchange in which nothing moves is ended', async (t) => {
  const router = await TestRouter.start(t, { settings: { streamIdleTimeout: '300ms' } })
  const { host } = await router.serve({ handler: () => {} })
  t.match(await ask(router.http, host), { status: 504, headers: { 'x-cf-routererror': 'timeout' } })
  t.match(await router.logged(() => true), { flags: 'SI' })
})

test("requests beyond a circuit breaker's limits are refused", async (t) => {
  const router = await TestRouter.start(t)
  const held: (() => void)[] = []
  const limits = (thresholds: object) => ({
    handler: (_: unknown, response: { end: (text: string) => unknown }) => void held.push(() => response.end('done')),
    cluster: (cluster: { circuitBreakers?: { thresholds: object[] } }) =>
      Object.assign(cluster.circuitBreakers!.thresholds[0]!, thresholds),
  })
  const refused = { status: 503, headers: { 'x-envoy-overloaded': 'true', 'x-cf-routererror': 'overflow' } }

  const requests = await router.serve(limits({ maxRequests: 1 }))
  const first = ask(router.http, requests.host)
  await eventually(() => held.length === 1)
  t.match(await ask(router.http, requests.host), refused)
  held.pop()!()
  t.equal((await first).status, 200)

  const connections = await router.serve(limits({ maxConnections: 1, maxPendingRequests: 1 }))
  const served = ask(router.http, connections.host)
  // What waits until its connection is made counts too.
  await eventually(() => held.length === 1)
  const others = [ask(router.http, connections.host), ask(router.http, connections.host)]
  t.match(await Promise.race(others), refused)
  held.pop()!()
  await eventually(() => held.length === 1)
  held.pop()!()
  t.equal((await served).status, 200)
  t.strictSame(
    (await Promise.all(others)).map(({ status }) => status).toSorted((a, b) => a - b),
    [200, 503],
  )
})

test('what is in flight outlives its instance, cluster and route', async (t) => {
  const router = await TestRouter.start(t)
  const held: (() => void)[] = []
  const { host, key, instances, remove } = await router.serve({
    handler: (_request, response) => void held.push(() => response.end('whole')),
  })
  const first = ask(router.http, host)
  await eventually(() => held.length === 1)
  await remove(instances[0]!)
  t.equal((await ask(router.http, host)).status, 503)
  await router.change([{ kind: 'route', key, value: null }])
  t.equal((await ask(router.http, host)).status, 404)
  held.pop()!()
  t.equal((await first).body, 'whole')
})

test('draining finishes what is in flight and closes the rest', async (t) => {
  const router = await TestRouter.start(t)
  const held: (() => void)[] = []
  const { host } = await router.serve({
    handler: (request, response) => (request.url === '/held' ? void held.push(() => response.end('whole')) : void response.end('quick')),
  })
  const idle = connect(router.http, '127.0.0.1')
  idle.write(`GET / HTTP/1.1\r\nhost: ${host}\r\n\r\n`)
  await once(idle, 'data')
  const session = http2(router.http)
  const slow = [
    ask(router.http, host, { path: '/held' }).then(({ body, headers }) => [body, headers.connection]),
    askHttp2(session, { ':path': '/held', ':authority': host }).then(({ body }) => [body.toString()]),
  ]
  await eventually(() => held.length === 2)
  const [closed, goaway] = [once(idle, 'close'), once(session, 'goaway')]
  const drained = router.engine.drain(5000)
  t.match(router.engine.condition(), { ready: false, reason: 'draining' })
  await Promise.all([closed, goaway])
  await t.rejects(ask(router.http, host), { code: 'ECONNREFUSED' })
  for (const finish of held) finish()
  t.strictSame(await Promise.all(slow), [['whole', 'close'], ['whole']])
  await drained
})

test('draining ends at its limit', async (t) => {
  const router = await TestRouter.start(t)
  const { host } = await router.serve({ handler: () => {} })
  const request = httpRequest({ host: '127.0.0.1', port: router.http, headers: { host } })
  const broken = once(request, 'error')
  request.end()
  await eventually(async () => (await router.metrics.getSingleMetricAsString('mesh_router_requests_active')).includes(' 1'))
  await router.engine.drain(100)
  await t.resolves(broken)
})

test('connections are used again, and idle ones are closed', async (t) => {
  const router = await TestRouter.start(t, { settings: { instanceIdleTimeout: '200ms' } })
  const { host, instances } = await router.serve()
  for (let i = 0; i < 5; i++) await ask(router.http, host)
  t.equal(instances[0]!.connections, 1)
  const app = instances[0]!.app as Server
  await eventually(async () => new Promise<boolean>((resolve) => app.getConnections((_error, count) => resolve(count === 0))))
})

test('an app is asked for the health of a service, however long its name', async (t) => {
  const router = await TestRouter.start(t)
  const service = 'long.'.repeat(100)
  const questions: Buffer[] = []
  const { app } = await router.serve({
    http2Handler: (request, response) => {
      void buffer(request).then((question) => {
        questions.push(question)
        response.end()
      })
    },
  })
  const annotations = { 'mesh.cloudfoundry.org/health-check': `grpc:${service}` }
  await router.change([{ kind: 'app', key: app, value: { name: app, space: 'space', labels: {}, annotations } }])
  const question = await eventually(() => questions[0])
  // Not compressed, 503 bytes: field 1 of 500.
  t.same(question, Buffer.concat([Buffer.from('00000001f70af403', 'hex'), Buffer.from(service)]))
})
