import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { connect } from 'node:net'
import { test, type Test } from 'tap'
import { Translator } from '../../src/pilot/translate/translator.ts'
import { ask, askHttp2, http2 } from '../support/client.ts'
import { TestInstance, type InstanceOptions } from '../support/instance.ts'
import { destination, process, route } from './records.ts'
import { envoyAbsent, instanceAuthority, Rig, routerAuthority, settingsOf } from './rig.ts'

// What the conformance suite cannot see: which constant route a request takes, and what Envoy makes of rare settings.

async function scene(
  t: Test,
  {
    count = 1,
    settings = {},
    ...options
  }: { count?: number; settings?: object; handler?: RequestListener; http2Handler?: InstanceOptions['http2Handler'] },
) {
  const rig = await Rig.start({ settings: settingsOf(settings) })
  t.teardown(() => rig.stop())
  const translator = new Translator(settingsOf(settings))
  rig.cache.apply({ changed: translator.constants, removed: [] })
  const instances = await Promise.all(
    Array.from({ length: count }, (_, index) =>
      TestInstance.start({ ...options, index, identities: instanceAuthority, routerCa: routerAuthority.certificate }),
    ),
  )
  t.teardown(() => Promise.all(instances.map((instance) => instance.stop())))
  const records = instances.map((instance) => ({ kind: 'instance' as const, key: instance.guid, value: instance.record('p') }))
  const protocol = options.http2Handler ? ('http2' as const) : ('http1' as const)
  rig.cache.apply(translator.apply([process('p', count), ...records, route('h', [destination(['p'], { protocol })])]))
  await rig.settled()
  await rig.listening()
  t.same(rig.refused, [])
  return { rig, port: rig.ports[0]!, instances }
}

test('what may be sent twice is, three times at most', { skip: envoyAbsent }, async (t) => {
  let seen = 0
  const { port } = await scene(t, {
    count: 4,
    handler: (request) => {
      seen++
      request.socket.destroy()
    },
  })
  for (const [what, times, options] of [
    ['GET', 3, {}],
    ['HEAD', 3, { method: 'HEAD' }],
    ['PUT of nothing', 3, { method: 'PUT', headers: { 'content-length': '0' } }],
    ['DELETE', 3, { method: 'DELETE' }],
    ['GET with a body', 1, { headers: { 'content-length': '1' }, body: 'x' }],
    ['PUT', 1, { method: 'PUT', body: 'x' }],
    ['chunked PUT', 1, { method: 'PUT', headers: { 'transfer-encoding': 'chunked' }, body: 'x' }],
    ['POST of nothing', 1, { method: 'POST', headers: { 'content-length': '0' } }],
    ['a method that nobody knows', 1, { method: 'PATCH' }],
    ['an upgrade', 1, { headers: { connection: 'upgrade', upgrade: 'websocket' } }],
  ] as const) {
    seen = 0
    const { status, headers } = await ask(port, 'h', options)
    t.same([status, headers['x-cf-routererror'], seen], [502, 'endpoint_failure', times], what)
  }
})

test('the request timeout ends requests, but no gRPC call and no upgraded connection', { skip: envoyAbsent }, async (t) => {
  const late = 600
  const { port, instances } = await scene(t, {
    settings: { requestTimeout: '250ms' },
    handler: (_request, response) => void setTimeout(() => response.end('late'), late),
  })
  const { status, headers, body } = await ask(port, 'h')
  t.same(
    [status, headers['x-cf-routererror'], body],
    [504, 'timeout', '504 Gateway Timeout: Registered endpoint did not answer in time.\n'],
  )
  t.equal((await ask(port, 'h', { method: 'POST', body: 'x', headers: { 'content-type': 'application/grpc' } })).body, 'late')

  instances[0]!.app.on('upgrade', (_request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    setTimeout(() => socket.end('late'), late)
  })
  const socket = connect(port, '127.0.0.1')
  socket.write('GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  let seen = ''
  socket.on('data', (data) => (seen += data.toString()))
  await once(socket, 'close')
  t.match(seen, /^HTTP\/1.1 101 [\s\S]*late$/)
})

test('an app that takes HTTP/2 is asked so by ALPN', { skip: envoyAbsent }, async (t) => {
  const { port } = await scene(t, { http2Handler: (request, response) => response.end(request.httpVersion) })
  t.equal((await ask(port, 'h')).body, '2.0')
  const session = http2(port)
  t.teardown(() => session.close())
  t.equal((await askHttp2(session, { ':path': '/', ':authority': 'h' })).body.toString(), '2.0')
})

test('an instance without the identity meant never gets a byte, however often it is asked', { skip: envoyAbsent }, async (t) => {
  const { rig, port, instances } = await scene(t, {})
  const impostor = await TestInstance.start({
    identities: instanceAuthority,
    routerCa: routerAuthority.certificate,
    identity: 'somebody-else',
  })
  t.teardown(() => impostor.stop())
  const translator = new Translator(settingsOf())
  const swapped = { kind: 'instance' as const, key: instances[0]!.guid, value: impostor.record('p') }
  rig.cache.apply(translator.apply([process('p', 1), swapped, route('h', [destination(['p'])])]))
  await rig.settled()
  for (let i = 0; i < 5; i++) t.equal((await ask(port, 'h', { method: 'POST', body: 'secret' })).status, 502)
  t.equal(impostor.requests, 0)
})
