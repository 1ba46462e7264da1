import { test } from 'tap'
import { ask } from '../../support/client.ts'
import { TestRouter } from './support.ts'

test('a request goes to the app of its host, with the headers that apps rely on', async (t) => {
  const router = await TestRouter.start(t)
  const { host, app, instances } = await router.serve({
    handler: (request, response) => response.end(JSON.stringify({ headers: request.headers, url: request.url })),
  })
  const answer = await ask(router.http, `${host.toUpperCase()}.:80`, {
    path: '/a?b=c',
    headers: { 'x-cf-applicationid': 'forged', 'x-envoy-max-retries': '9', 'x-forwarded-for': '1.2.3.4' },
  })
  t.equal(answer.status, 200)
  const { headers, url } = JSON.parse(answer.body) as { headers: Record<string, string>; url: string }
  t.equal(url, '/a?b=c')
  t.match(headers, {
    'x-cf-applicationid': app,
    'x-cf-instanceid': instances[0]!.guid,
    'x-cf-instanceindex': '0',
    'x-forwarded-proto': 'http',
    'x-forwarded-for': /^1\.2\.3\.4, ?127\.0\.0\.1$/,
  })
  t.match(headers['x-request-start'], /^\d{13}$/)
  t.match(headers['x-vcap-request-id'], /^[0-9a-f-]{36}$/)
  t.equal(answer.headers['x-vcap-request-id'], headers['x-vcap-request-id'])
  t.notOk(headers['x-envoy-max-retries'])
  const line = await router.logged(({ host: logged }) => logged === `${host.toUpperCase()}.:80`)
  t.match(line, {
    status: 200,
    method: 'GET',
    path: '/a',
    app,
    instance: instances[0]!.guid,
    instance_index: '0',
    attempts: 1,
    protocol: 'HTTP/1.1',
    bytes_sent: answer.body.length,
  })
})

test('the most specific route wins, and an internal one is not reached from outside', async (t) => {
  const router = await TestRouter.start(t)
  const reply = (text: string) => ({ handler: (_: unknown, response: { end: (text: string) => unknown }) => void response.end(text) })
  await router.serve({ host: 'a.test', ...reply('host') })
  await router.serve({ host: 'a.test', path: '/x', ...reply('path') })
  await router.serve({ host: '*.test', ...reply('wildcard') })
  await router.serve({ host: 'inner.apps', exposure: 'int', ...reply('internal') })
  const bodies = await Promise.all(
    ['/', '/x', '/x/y', '/xy', '/./x//y', '/z/../x'].map(async (path) => (await ask(router.http, 'a.test', { path })).body),
  )
  t.strictSame(bodies, ['host', 'path', 'path', 'host', 'path', 'path'])
  t.equal((await ask(router.http, 'b.test')).body, 'wildcard')
  t.equal((await ask(router.internal, 'inner.apps')).body, 'internal')
  const outside = await ask(router.http, 'inner.apps')
  t.match({ ...outside }, { status: 404, headers: { 'x-cf-routererror': 'unknown_route' } })
})

test('what cannot be served is answered as gorouter does', async (t) => {
  const router = await TestRouter.start(t)
  const { host } = await router.serve({ instances: 0 })
  t.match(await ask(router.http, host), { status: 503, headers: { 'x-cf-routererror': 'no_endpoints' }, body: /no available endpoints/ })
  t.match(await ask(router.http, 'nobody.test'), { status: 404, headers: { 'x-cf-routererror': 'unknown_route' }, body: /nobody\.test/ })
  const grpc = await ask(router.http, 'nobody.test', { method: 'POST', headers: { 'content-type': 'application/grpc' } })
  t.match(grpc, { status: 200, headers: { 'grpc-status': '12' }, body: '' })
  const head = await ask(router.http, 'nobody.test', { method: 'HEAD' })
  t.match(head, { status: 404, body: '' })
  t.match(await router.logged(({ method }) => method === 'HEAD'), { status: 404, flags: 'NC', bytes_sent: 0 })
})
