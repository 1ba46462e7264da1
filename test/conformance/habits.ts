import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { routeKey } from '../../src/mesh/records.ts'
import { behaviour } from '../support/conformance.ts'
import { ask, type Answer } from '../support/client.ts'

const echo = (request: IncomingMessage, response: ServerResponse): void => void response.end(JSON.stringify(request.headers))
const headersOf = (body: string): Record<string, string> => JSON.parse(body) as Record<string, string>

behaviour('a trace is begun for a request that belongs to none, and stands in the access log', async ({ t, router, mesh }) => {
  const { host } = await mesh.serve({ handler: echo })
  const seen = [
    headersOf((await ask(router.http, host)).body),
    headersOf((await ask(router.http, host, { method: 'POST', body: 'with a body' })).body),
  ]
  for (const headers of seen) {
    const [trace, span] = [headers['x-b3-traceid'] ?? '', headers['x-b3-spanid'] ?? '']
    t.match(trace, /^[0-9a-f]{32}$/)
    t.match(span, /^[0-9a-f]{16}$/)
    t.equal(headers['b3'], `${trace}-${span}`)
    t.equal(headers['traceparent'], `00-${trace}-${span}-01`, 'one trace in both forms')
    t.same(
      Object.keys(headers).filter((name) => name.startsWith('x-mesh-')),
      [],
    )
  }
  t.not(seen[0]?.['x-b3-traceid'], seen[1]?.['x-b3-traceid'])
  const line = await mesh.eventually(() => router.accessLog().find((entry) => entry['b3_trace_id'] === seen[0]?.['x-b3-traceid']))
  t.match(line, { host, traceparent: seen[0]?.['traceparent'], b3: seen[0]?.['b3'], b3_span_id: seen[0]?.['x-b3-spanid'] })
})

behaviour('trace headers of a client are passed on as they are', async ({ t, router, mesh }) => {
  const { host } = await mesh.serve({ handler: echo })
  const trace = '0af7651916cd43dd8448eb211c80319c'
  const span = 'b7ad6b7169203331'
  const w3c = { traceparent: `00-${trace}-${span}-00`, tracestate: 'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE' }
  const single = { b3: `${trace}-${span}-0` }
  const several = { 'x-b3-traceid': span, 'x-b3-spanid': span, 'x-b3-parentspanid': span, 'x-b3-sampled': '0' }
  t.match(headersOf((await ask(router.http, host, { headers: { ...w3c, ...single } })).body), {
    ...w3c,
    ...single,
    'x-b3-traceid': undefined,
  })
  t.match(headersOf((await ask(router.http, host, { headers: { ...w3c, ...several } })).body), { ...w3c, ...several })
  const onlyW3c = headersOf((await ask(router.http, host, { headers: w3c })).body)
  t.match(onlyW3c, { ...w3c, b3: /^[0-9a-f]{32}-[0-9a-f]{16}$/ })
  t.same(
    Object.keys(onlyW3c).filter((name) => name.startsWith('x-mesh-')),
    [],
  )
  const line = await mesh.eventually(() => router.accessLog().find((entry) => entry['host'] === host && entry['b3'] === single.b3))
  t.match(line, w3c)
})

behaviour('a traceparent that cannot be read is replaced, and its state with it', async ({ t, router, mesh }) => {
  const { host } = await mesh.serve({ handler: echo })
  const [trace, span] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331']
  for (const traceparent of [
    [],
    'x',
    `00-${trace}-${span}`,
    `00-${trace.toUpperCase()}-${span}-00`,
    `00-${'0'.repeat(32)}-${span}-00`,
    `00-${trace}-${'0'.repeat(16)}-00`,
    `00-${trace}-${span}-00-more`,
    `ff-${trace}-${span}-00`,
    [`00-${trace}-${span}-00`, `00-${trace}-${span}-01`],
  ]) {
    for (const method of ['GET', 'POST']) {
      const seen = headersOf((await ask(router.http, host, { method, headers: { traceparent, tracestate: 'rojo=1' } })).body)
      t.match(seen['traceparent'], /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/, String(traceparent))
      t.notMatch(seen['traceparent'], /-0{16}/)
      t.equal(seen['tracestate'], undefined, 'of a trace that nobody can read')
    }
  }
  const newer = { traceparent: `cc-${trace}-${span}-01-more`, tracestate: 'rojo=1' }
  t.match(headersOf((await ask(router.http, host, { headers: newer })).body), newer, 'of a later version')
})

behaviour('a trace that a client brings by B3 goes on in W3C’s header, sampled or not', async ({ t, router, mesh }) => {
  const { host } = await mesh.serve({ handler: echo })
  const [trace, span] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331']
  const several = { 'x-b3-traceid': trace, 'x-b3-spanid': span }
  const seen = async (headers: Record<string, string>): Promise<Record<string, string>> =>
    headersOf((await ask(router.http, host, { headers: { ...headers, tracestate: 'rojo=1' } })).body)
  for (const [b3, flags] of [
    ['', '01'],
    ['-1', '01'],
    ['-d', '01'],
    ['-0', '00'],
    [`-0-${span}`, '00'],
  ] as const)
    t.match(await seen({ b3: `${trace}-${span}${b3}` }), {
      b3: `${trace}-${span}${b3}`,
      traceparent: `00-${trace}-${span}-${flags}`,
      tracestate: undefined,
    })
  t.match(await seen(several), { ...several, b3: `${trace}-${span}`, traceparent: `00-${trace}-${span}-01` })
  t.match(await seen({ ...several, 'x-b3-sampled': '0' }), { b3: `${trace}-${span}-0`, traceparent: `00-${trace}-${span}-00` })
  t.match(await seen({ 'x-b3-traceid': span, 'x-b3-spanid': span }), { traceparent: `00-${'0'.repeat(16)}${span}-${span}-01` }, '64 bits')
  for (const b3 of ['0', 'x', `${trace}-x`, `${'0'.repeat(32)}-${span}`, `${trace}-${span}-x`, `${trace}${trace}-${span}`])
    t.match(await seen({ b3 }), { b3, traceparent: /^00-(?!0af7)[0-9a-f]{32}-[0-9a-f]{16}-01$/ }, 'what is no trace is passed on')
})

behaviour('X-Cf-App-Instance leads to that very instance', async ({ t, router, mesh }) => {
  const { host, app, instances } = await mesh.serve({ instances: 3 })
  for (const [index, { guid }] of instances.entries()) {
    for (let i = 0; i < 4; i++) {
      const answer = await ask(router.http, host, { headers: { 'x-cf-app-instance': `${app}:${index}` } })
      t.match(answer, { status: 200, body: `instance ${guid}` })
    }
    t.match(await ask(router.http, host, { headers: { 'X-CF-Process-Instance': `${app}:${index}` } }), {
      status: 200,
      body: `instance ${guid}`,
    })
  }
  const seen = new Set<string>()
  for (let i = 0; i < 60 && seen.size < 3; i++) seen.add((await ask(router.http, host, { headers: { 'x-cf-process-instance': app } })).body)
  t.equal(seen.size, 3, 'without an index, any instance of the process')
  const twice = await ask(router.http, host, { headers: { 'x-cf-app-instance': [`${app}:2`, 'x'] } })
  t.match(twice, { status: 200, body: `instance ${instances[2]?.guid}` }, 'the first of several')
})

behaviour('an instance that is named wrongly or not there is 400', async ({ t, router, mesh }) => {
  const { host, app } = await mesh.serve()
  const other = await mesh.serve()
  const malformed = ['x', app, `${app}:`, `${app}:x`, `${app}:0:0`, `${app.toUpperCase()}X:0`, ':0', `${app}:-1`]
  for (const value of malformed) {
    const answer = await ask(router.http, host, { headers: { 'x-cf-app-instance': value } })
    t.match(
      answer,
      {
        status: 400,
        headers: { 'x-cf-routererror': 'invalid_cf_app_instance_header' },
        body: '400 Bad Request: Invalid X-CF-App-Instance Header\n',
      },
      value,
    )
  }
  const process = await ask(router.http, host, { headers: { 'x-cf-process-instance': 'x' } })
  t.match(process, {
    status: 400,
    headers: { 'x-cf-routererror': 'invalid_cf_process_instance_header' },
    body: '400 Bad Request: Invalid X-CF-Process-Instance Header\n',
  })
  for (const [guid, index] of [
    [app, '1'],
    [app, '00'],
    [other.app, '0'],
    ['00000000-0000-0000-0000-000000000000', '0'],
  ]) {
    const answer = await ask(router.http, host, { headers: { 'x-cf-app-instance': `${guid}:${index}` } })
    t.match(answer, { status: 400, headers: { 'x-cf-routererror': 'unknown_route' } })
    t.equal(answer.body, `400 Bad Request: Requested instance ('${index}') with guid ('${guid}') does not exist for route ('${host}')\n`)
  }
  t.match(
    await ask(router.http, mesh.host(), { headers: { 'x-cf-app-instance': `${app}:0` } }),
    { status: 400 },
    'nor is it on a route that does not exist',
  )
  t.equal(other.instances[0]?.requests, 0)
})

behaviour('a named instance that does not answer is not replaced by another', async ({ t, router, mesh }) => {
  const { host, app, instances } = await mesh.serve({ instances: 2 })
  await instances[0]?.stop()
  for (let i = 0; i < 4; i++) t.equal((await ask(router.http, host, { headers: { 'x-cf-app-instance': `${app}:0` } })).status, 502)
  t.equal(instances[1]?.requests, 0)
})

const sticky = { 'mesh.cloudfoundry.org/sticky-session': 'true' }
const session =
  (attributes = '') =>
  (_request: IncomingMessage, response: ServerResponse): void =>
    void response.setHeader('set-cookie', ['other=1', `JSESSIONID=abc${attributes}`]).end()
const vcapOf = (cookies: string[] = []): string | undefined => cookies.find((cookie) => cookie.startsWith('__VCAP_ID__='))

behaviour('a session sticks to its instance while that lives, then to another', async ({ t, router, mesh }) => {
  const served = await mesh.serve({
    instances: 4,
    labels: sticky,
    handler: (request, response) => {
      if (request.url === '/login') response.setHeader('set-cookie', 'JSESSIONID=abc')
      response.end(JSON.stringify(request.headers))
    },
  })
  const login = await ask(router.http, served.host, { path: '/login' })
  const instance = headersOf(login.body)['x-cf-instanceid'] ?? ''
  t.equal(vcapOf(login.headers['set-cookie']), `__VCAP_ID__=${instance}; Path=/; HttpOnly`)
  t.notOk('x-mesh-session' in login.headers)
  const cookie = `JSESSIONID=abc; __VCAP_ID__=${instance}`
  for (let i = 0; i < 12; i++) {
    const answer = await ask(router.http, served.host, { headers: { cookie } })
    t.equal(headersOf(answer.body)['x-cf-instanceid'], instance)
    t.equal(answer.headers['set-cookie'], undefined, 'no cookie is renewed that leads there already')
  }
  await served.instances.find(({ guid }) => guid === instance)?.stop()
  const moved = await ask(router.http, served.host, { headers: { cookie } })
  const next = headersOf(moved.body)['x-cf-instanceid'] ?? ''
  t.equal(moved.status, 200, 'an instance that has died, before the platform knows')
  t.not(next, instance)
  t.equal(vcapOf(moved.headers['set-cookie']), `__VCAP_ID__=${next}; Path=/; HttpOnly`)
  for (let i = 0; i < 8; i++)
    t.equal(
      headersOf((await ask(router.http, served.host, { headers: { cookie: `JSESSIONID=abc; __VCAP_ID__=${next}` } })).body)[
        'x-cf-instanceid'
      ],
      next,
    )
})

behaviour('a session’s cookies are read as browsers and older clients write them', async ({ t, router, mesh }) => {
  const { host, instances } = await mesh.serve({ instances: 4, labels: sticky })
  const guid = instances[1]!.guid
  const many = Array.from({ length: 60 }, (_value, index) => `other${index}=${'x'.repeat(20)}`).join('; ')
  for (const cookie of [
    `__VCAP_ID__=${guid};JSESSIONID=a`,
    `$Version="1"; JSESSIONID="a"; $Path="/"; __VCAP_ID__="${guid}"`,
    `${many}; JSESSIONID=a; ${many}; __VCAP_ID__=${guid} ; last`,
    `;;=; x="a;b"; JSESSIONID=; __VCAP_ID__=${guid}; __VCAP_ID__=other`,
  ])
    for (let i = 0; i < 5; i++) {
      const answer = await ask(router.http, host, { headers: { cookie } })
      t.match(answer, { body: `instance ${guid}`, headers: { 'set-cookie': undefined } }, cookie)
    }
})

behaviour('a session that the app has ended sticks no more', async ({ t, router, mesh }) => {
  const { host, instances } = await mesh.serve({ instances: 2, labels: sticky })
  for (const cookie of [`__VCAP_ID__=${instances[0]?.guid}`, `MYJSESSIONID=1; __VCAP_ID__=${instances[0]?.guid}`]) {
    const before = instances[1]!.requests
    for (let i = 0; i < 20; i++)
      t.equal((await ask(router.http, host, { headers: { cookie } })).headers['set-cookie'], undefined, 'nor is its cookie renewed')
    t.ok(instances[1]!.requests > before, cookie)
  }
})

behaviour('the cookie of a session has the attributes of the app’s', async ({ t, router, mesh }) => {
  const expected: [string, string][] = [
    ['; Path=/own; HttpOnly', ''],
    ['; Secure; SameSite=strict', '; Secure; SameSite=Strict'],
    ['; secure;samesite=None; Partitioned', '; Secure; SameSite=None; Partitioned'],
    ['; Max-Age=3600', ''],
  ]
  for (const [given, made] of expected) {
    const { host, instances } = await mesh.serve({ labels: sticky, path: '/a', handler: session(given) })
    const { headers } = await ask(router.http, host, { path: '/a/b' })
    t.equal(vcapOf(headers['set-cookie']), `__VCAP_ID__=${instances[0]?.guid}; Path=/a; HttpOnly${made}`, given)
    t.equal(headers['set-cookie']?.length, 3)
  }
  const ends = await mesh.serve({ labels: sticky, handler: session('; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0') })
  const ended = await ask(router.http, ends.host)
  t.equal(
    vcapOf(ended.headers['set-cookie']),
    `__VCAP_ID__=${ends.instances[0]?.guid}; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; HttpOnly`,
  )
})

behaviour('no session sticks where nobody asked for it, no cookie begins one, or the app sets its own', async ({ t, router, mesh }) => {
  const unasked = await mesh.serve({ handler: session(), instances: 2 })
  t.equal(vcapOf((await ask(router.http, unasked.host)).headers['set-cookie']), undefined)
  const seen = new Set<number>()
  const cookie = `JSESSIONID=abc; __VCAP_ID__=${unasked.instances[0]?.guid}`
  for (let i = 0; i < 20; i++) await ask(router.http, unasked.host, { headers: { cookie } })
  for (const { requests } of unasked.instances) seen.add(Math.sign(requests))
  t.same([...seen], [1], 'both instances were asked')
  const another = await mesh.serve({
    labels: sticky,
    handler: (_request, response) => void response.setHeader('set-cookie', 'MYJSESSIONID=1').end(),
  })
  t.same((await ask(router.http, another.host)).headers['set-cookie'], ['MYJSESSIONID=1'])
  const own = await mesh.serve({
    labels: sticky,
    handler: (_request, response) => void response.setHeader('set-cookie', ['JSESSIONID=1', '__VCAP_ID__=mine']).end(),
  })
  t.same((await ask(router.http, own.host)).headers['set-cookie'], ['JSESSIONID=1', '__VCAP_ID__=mine'])
})

behaviour('a session’s cookie leads to no instance that the route does not have', async ({ t, router, mesh }) => {
  const [one, other] = [await mesh.serve({ labels: sticky }), await mesh.serve({ labels: sticky })]
  for (const value of [other.instances[0]?.guid, `127.0.0.1:${other.instances[0]?.port}`, 'x', '']) {
    const answer = await ask(router.http, one.host, { headers: { cookie: `JSESSIONID=1; __VCAP_ID__=${value}` } })
    t.match(answer, { status: 200, body: `instance ${one.instances[0]?.guid}` })
  }
  t.equal(other.instances[0]?.requests, 0)
})

behaviour('sessions begin to stick when an app asks for it', async ({ t, router, mesh }) => {
  const { host, app } = await mesh.serve({ handler: session() })
  t.equal(vcapOf((await ask(router.http, host)).headers['set-cookie']), undefined)
  await mesh.change([{ kind: 'app', key: app, value: { name: 'asks', space: 'space', labels: {}, annotations: sticky } }])
  t.ok(await mesh.eventually(async () => vcapOf((await ask(router.http, host)).headers['set-cookie'])))
})

behaviour('X-CF-Process-Instance finds the processes of a deployment', async ({ t, router, mesh }) => {
  const [served, canary] = [await mesh.serve(), (await mesh.serve()).instances[0]!]
  const guid = randomUUID()
  const [old, process] = [`${served.app}-1`, `${guid}-1`]
  const route = { host: served.host, path: '', exposure: 'pub' } as const
  const destination = { app: served.app, type: 'web', port: 8080, protocol: 'http1' as const, processes: [old, process] }
  await mesh.change([
    { kind: 'process', key: process, value: { app: served.app, type: 'web', instances: 1 } },
    { kind: 'instance', key: canary.guid, value: canary.record(process) },
    { kind: 'route', key: routeKey(route), value: { ...route, space: 'space', labels: {}, options: {}, destinations: [destination] } },
  ])
  const send = (value: string): Promise<Answer> => ask(router.http, served.host, { headers: { 'x-cf-process-instance': value } })
  t.equal((await mesh.until(() => send(guid), 200)).body, `instance ${canary.guid}`)
  for (let i = 0; i < 4; i++) t.equal((await send(`${guid}:0`)).body, `instance ${canary.guid}`)
  for (let i = 0; i < 4; i++) t.equal((await send(`${served.app}:0`)).body, `instance ${served.instances[0]?.guid}`)
  t.equal((await send(`${guid}:1`)).status, 400)
  await mesh.change([{ kind: 'process', key: old, value: null }])
  await mesh.until(() => send(`${served.app}:0`), 400)
  t.equal((await send(guid)).body, `instance ${canary.guid}`, 'now the only process')
})
