import { behaviour } from '../support/conformance.ts'
import { ask, raw } from '../support/client.ts'
import type { IncomingMessage, ServerResponse } from 'node:http'

const echo = (request: IncomingMessage, response: ServerResponse): void => void response.end(JSON.stringify(request.headers))
const headersOf = (body: string): Record<string, string> => JSON.parse(body) as Record<string, string>

behaviour('the app is told which app, instance and index it is', async ({ t, router, mesh }) => {
  const { host, app, instances } = await mesh.serve({ handler: echo })
  const seen = headersOf((await ask(router.http, host)).body)
  t.equal(seen['x-cf-applicationid'], app)
  t.equal(seen['x-cf-instanceid'], instances[0]?.guid)
  t.equal(seen['x-cf-instanceindex'], String(instances[0]?.index))
})

behaviour('with several apps on a route each is told its own guid', async ({ t, router, mesh }) => {
  const { host } = await mesh.serveWeighted(
    [
      { weight: 50, instances: 1 },
      { weight: 50, instances: 1 },
    ],
    echo,
  )
  const seen = new Set<string>()
  for (let i = 0; i < 20; i++) seen.add(headersOf((await ask(router.http, host)).body)['x-cf-applicationid'] ?? '')
  t.equal(seen.size, 2)
  t.notOk(seen.has(''))
})

behaviour('the client’s address and scheme are told, and a client cannot forge them', async ({ t, router, mesh }) => {
  const { host } = await mesh.serve({ handler: echo })
  const plain = headersOf((await ask(router.http, host, { headers: { 'x-forwarded-for': '1.2.3.4', 'x-forwarded-proto': 'https' } })).body)
  // A client on loopback is told to the app by Envoy as its own machine's address.
  t.match(plain['x-forwarded-for'], /^1\.2\.3\.4, ?(?!1\.2\.3\.4)[\d.]+$/)
  t.equal(plain['x-forwarded-proto'], 'http')
  const secure = headersOf((await ask(router.https, host, { tls: { ca: router.ca } })).body)
  t.equal(secure['x-forwarded-proto'], 'https')
})

behaviour('behind a trusted load balancer its word on address and scheme is passed on', async ({ t, router, mesh }) => {
  const { host } = await mesh.serve({ handler: echo })
  const seen = headersOf(
    (await ask(router.trusting, host, { headers: { 'x-forwarded-for': '1.2.3.4', 'x-forwarded-proto': 'https' } })).body,
  )
  t.match(seen['x-forwarded-for'], /^1\.2\.3\.4\b/)
  t.equal(seen['x-forwarded-proto'], 'https')
})

behaviour('the PROXY protocol tells the client’s address', async ({ t, router, mesh }) => {
  const { host } = await mesh.serve({ handler: echo })
  const answer = await raw(
    router.proxied,
    `PROXY TCP4 192.0.2.7 192.0.2.1 5000 80\r\nGET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
  )
  t.match(answer, /"x-forwarded-for":"192\.0\.2\.7"/)
  const v2 = Buffer.concat([
    Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1'),
    Buffer.from([0x21, 0x11, 0, 12, 192, 0, 2, 8, 192, 0, 2, 1, 0x13, 0x88, 0, 80]),
    Buffer.from(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`),
  ])
  t.match(await raw(router.proxied, v2), /"x-forwarded-for":"192\.0\.2\.8"/)
  t.notMatch(await raw(router.proxied, `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`), / 200 /, 'without it, no answer')
})

behaviour('every request has an id and a start time, and a client’s own do not survive', async ({ t, router, mesh }) => {
  const { host } = await mesh.serve({ handler: echo })
  const answer = await ask(router.http, host, { headers: { 'x-vcap-request-id': 'forged', 'x-request-start': '1' } })
  const seen = headersOf(answer.body)
  t.match(seen['x-vcap-request-id'], /^[0-9a-f-]{36}$/)
  t.equal(answer.headers['x-vcap-request-id'], seen['x-vcap-request-id'], 'the client is told the same')
  t.ok(Math.abs(Number(seen['x-request-start']) - Date.now()) < 60_000, 'milliseconds since 1970')
})

behaviour('headers that only the router may set are taken from the client', async ({ t, router, mesh }) => {
  const { host } = await mesh.serve({ handler: echo })
  const forged = {
    'x-cf-applicationid': 'forged',
    'x-cf-instanceid': 'forged',
    'x-cf-instanceindex': 'forged',
    'x-cf-anything': 'forged',
    'x-forwarded-client-cert': 'forged',
    'x-envoy-upstream-rq-timeout-ms': '1',
    'x-envoy-retry-on': '5xx',
    'x-envoy-original-path': 'forged',
    'x-mesh-anything': 'forged',
  }
  const answer = await ask(router.http, host, { headers: forged })
  t.equal(answer.status, 200)
  t.notMatch(answer.body, /forged/)
  t.same(
    Object.keys(headersOf(answer.body)).filter((name) => name.startsWith('x-envoy-') || name.startsWith('x-mesh-')),
    [],
  )
})

behaviour('hop-by-hop headers stay on their hop', async ({ t, router, mesh }) => {
  const { host } = await mesh.serve({ handler: echo })
  const seen = headersOf(
    (
      await ask(router.http, host, {
        headers: { connection: 'keep-alive, x-hop', 'keep-alive': 'timeout=5', 'x-hop': 'secret', te: 'gzip' },
      })
    ).body,
  )
  t.equal(seen['keep-alive'], undefined)
  t.equal(seen['te'], undefined)
  t.equal(seen['x-hop'], undefined)
})

behaviour('each request leaves one JSON line in the access log', async ({ t, router, mesh }) => {
  const { host, app, instances } = await mesh.serve()
  await ask(router.http, host, { path: '/logged?secret=1', headers: { 'user-agent': 'tap' } })
  const line = await mesh.eventually(() =>
    router.accessLog().find((entry) => entry['host'] === host && String(entry['path']).startsWith('/logged')),
  )
  t.match(line, {
    method: 'GET',
    status: 200,
    user_agent: 'tap',
    app,
    instance: instances[0]?.guid,
    instance_index: '0',
    protocol: 'HTTP/1.1',
  })
  t.type(line['duration_ms'], 'number')
  t.type(line['request_id'], 'string')
  const missing = mesh.host()
  await ask(router.http, missing)
  const refused = await mesh.eventually(() => router.accessLog().find((entry) => entry['host'] === missing))
  t.match(refused, { status: 404, app: null, instance: null, instance_index: null, upstream: null })
  t.strictSame(Object.keys(refused).sort(), Object.keys(line).sort(), 'every line has every field')
})
