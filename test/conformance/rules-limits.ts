import type { HttpMatch, Limit, RateLimitSpec } from '../../src/mesh/istio/types.ts'
import { ask, many, type Answer, type Ask } from '../support/client.ts'
import { behaviour, type Scene } from '../support/conformance.ts'
import { rateLimit, says, virtualService } from '../support/rules.ts'

/** A host that answers by itself, with limits, and what sends requests to it. */
async function limited({ mesh, router, apply }: Scene, limits: Limit[], more: Partial<RateLimitSpec> = {}) {
  const { host } = await mesh.serve()
  await apply(virtualService(host, says('passed')), rateLimit(host, { limits, ...more }))
  const send = (options: Ask = {}, port = router.http): Promise<Answer> => ask(port, host, options)
  const passing = async (n: number, options: Ask = {}, port?: number): Promise<number> =>
    (await many(n, () => send(options, port))).filter(({ status }) => status === 200).length
  return { host, send, passing }
}

behaviour('a limit lets exactly as many requests pass, over all connections, workers and listeners', async (scene) => {
  const { t, router } = scene
  const { host, send, passing } = await limited(scene, [{ per: 'route', requests: 60, unit: 'day' }])
  const tls = { ca: router.ca, servername: host }
  const passed = await Promise.all([passing(80), passing(80), passing(40, { tls }, router.https)])
  t.equal(
    passed.reduce((sum, one) => sum + one),
    60,
  )
  const { status, headers } = await send()
  t.equal(status, 429)
  t.match(headers, {
    'retry-after': /^\d+$/,
    'x-ratelimit-limit': '60',
    'x-ratelimit-remaining': '0',
    'x-ratelimit-reset': /^\d+$/,
    'x-cf-routererror': 'rate_limited',
  })
})

behaviour('answers within a limit tell how much of it is left', async (scene) => {
  const { t } = scene
  const { send } = await limited(scene, [{ per: 'route', requests: 5, unit: 'day' }])
  t.match((await send()).headers, { 'x-ratelimit-limit': '5', 'x-ratelimit-remaining': '4', 'x-ratelimit-reset': /^\d+$/ })
  t.match((await send()).headers, { 'x-ratelimit-remaining': '3' })
})

behaviour('each client has a limit of its own, by the address that trusted proxies tell', async (scene) => {
  const { t, router } = scene
  const { passing } = await limited(scene, [{ per: 'client-ip', requests: 5, unit: 'day' }])
  const as = (address: string): Ask => ({ headers: { 'x-forwarded-for': address } })
  t.equal(await passing(16, as('192.0.2.1'), router.trusting), 5)
  t.equal(await passing(16, as('192.0.2.2'), router.trusting), 5)
  t.equal(await passing(8, as('192.0.2.1'), router.trusting), 0)
  t.equal(await passing(16, as('192.0.2.3')), 5, 'what a client says that nobody trusts')
  t.equal(await passing(8, as('192.0.2.4')), 0, 'makes nobody another client')
})

behaviour('each value of a header has a limit of its own, and who has no such header has none', async (scene) => {
  const { t } = scene
  const { passing } = await limited(scene, [{ per: 'header:X-Api-Key', requests: 100, unit: 'day', burst: 5 }])
  const key = (value: string): Ask => ({ headers: { 'x-api-key': value } })
  t.equal(await passing(16, key('one')), 5)
  t.equal(await passing(16, key('two')), 5)
  t.equal(await passing(8, key('one')), 0)
  t.equal(await passing(16), 16)
})

behaviour('of several limits each must let a request pass', async (scene) => {
  const { t } = scene
  const { passing } = await limited(scene, [
    { per: 'header:X-Api-Key', requests: 4, unit: 'day' },
    { per: 'route', requests: 10, unit: 'day' },
  ])
  t.equal(await passing(8, { headers: { 'x-api-key': 'one' } }), 4)
  t.ok((await passing(16)) <= 6, 'the others share what is left of the whole')
})

const seconds = { second: 1, minute: 60, hour: 3600, day: 86_400 }
for (const unit of ['second', 'minute', 'hour', 'day'] as const) {
  behaviour(`a limit a ${unit} has a token again when Retry-After says so`, async (scene) => {
    const { t, mesh } = scene
    const { send, passing } = await limited(scene, [{ per: 'route', requests: 2, unit, burst: 3 }])
    t.ok((await passing(24)) >= 3)
    const refused = await mesh.eventually(async () => {
      const answer = await send()
      return answer.status === 429 ? answer : undefined
    })
    const wait = Number(refused.headers['retry-after'])
    // Half a unit, less what has passed of it since the last token was taken, rounded up.
    t.ok(wait <= Math.ceil(seconds[unit] / 2) && wait >= seconds[unit] / 2 - 30, `${wait} s`)
    if (unit === 'second') await mesh.until(() => send(), 200)
  })
}

behaviour('only what matches is counted, and what several matches are for counts once', async (scene) => {
  const { t } = scene
  const { passing } = await limited(scene, [{ per: 'route', requests: 10, unit: 'day' }], {
    match: [
      { uri: { prefix: '/buy' }, withoutHeaders: { 'x-free': {} } },
      { queryParams: { sale: { exact: 'yes' } }, method: { exact: 'GET' } },
    ],
  })
  t.equal(await passing(16, { path: '/look?sale=no' }), 16)
  t.equal(await passing(16, { path: '/look?sale=yes', method: 'POST' }), 16)
  t.equal(await passing(16, { path: '/buy', headers: { 'x-free': '1' } }), 16)
  t.equal(await passing(8, { path: '/buy/it?sale=yes' }), 8)
  t.equal(await passing(8, { path: '/look?x=1&sale=yes' }), 2)
  t.equal(await passing(8, { path: '/buy' }), 0)
})

/** One condition, and requests that are as it says, or not. */
interface Condition {
  match: HttpMatch
  fits: Ask
  other: Ask & { secure?: boolean; named?: (host: string) => string }
}

const path = (text: string): Ask => ({ path: text })
const headers = (given: Record<string, string>): Ask => ({ headers: given })

/** A limit counts those requests alone for which its match holds. */
function counting(name: string, conditions: Condition[]): void {
  behaviour(`a limit counts by ${name}`, async ({ t, mesh, router, apply }) => {
    const hosts = await Promise.all(conditions.map(async () => (await mesh.serve()).host))
    await apply(
      ...conditions.map(({ match }, i) =>
        rateLimit(hosts[i]!, { match: [{ name: 'counted', ...match }], limits: [{ per: 'route', requests: 1, unit: 'day' }] }),
      ),
    )
    for (const [
      i,
      {
        match,
        fits,
        other: { secure, named, ...other },
      },
    ] of conditions.entries()) {
      const host = hosts[i]!
      const tls = { ca: router.ca, servername: host }
      const passes = async (): Promise<boolean> =>
        (await ask(secure ? router.https : router.http, named?.(host) ?? host, { ...other, ...(secure && { tls }) })).status === 200
      const what = JSON.stringify(match)
      t.same([await passes(), await passes()], [true, true], `${what} does not count others`)
      t.same([(await ask(router.http, host, fits)).status, (await ask(router.http, host, fits)).status], [200, 429], `${what} counts`)
      t.ok(await passes(), `${what} does not refuse others`)
    }
  })
}

counting('the path', [
  { match: { uri: { exact: '/a' } }, fits: path('/a?x'), other: path('/a/b') },
  { match: { uri: { prefix: '/a' } }, fits: path('/a/b'), other: path('/b/a') },
  { match: { uri: { regex: '/a/[0-9]+' } }, fits: path('/a/12?x'), other: path('/a/x') },
  { match: { uri: { prefix: '/Api' }, ignoreUriCase: true }, fits: path('/aPI/x'), other: path('/ap') },
])
counting('the method', [
  { match: { method: { exact: 'PUT' } }, fits: { method: 'PUT' }, other: { method: 'GET' } },
  { match: { method: { prefix: 'P' } }, fits: { method: 'PUT' }, other: { method: 'GET' } },
  { match: { method: { regex: 'PUT|POST' } }, fits: { method: 'POST' }, other: { method: 'GET' } },
])
counting('scheme and port', [
  { match: { scheme: { exact: 'http' } }, fits: {}, other: { secure: true } },
  { match: { scheme: { regex: 'http' } }, fits: {}, other: { secure: true } },
  { match: { scheme: { prefix: 'http' }, method: { exact: 'GET' } }, fits: {}, other: { method: 'PUT', secure: true } },
  { match: { port: 80 }, fits: {}, other: { secure: true } },
])
counting('the authority', [
  { match: { authority: { regex: '[^:]+' } }, fits: {}, other: { named: (host) => `${host}:8080` } },
  { match: { authority: { prefix: 'host-' } }, fits: {}, other: { named: (host) => host.replace('host', 'HOST') } },
])
counting('headers', [
  { match: { headers: { 'X-A': { exact: '1' } } }, fits: headers({ 'x-a': '1' }), other: headers({ 'x-a': '12' }) },
  { match: { headers: { 'x-a': { prefix: 'be' } } }, fits: headers({ 'x-a': 'beta' }), other: headers({ 'x-a': 'abe' }) },
  { match: { headers: { 'x-a': { regex: '[0-9]+' } } }, fits: headers({ 'x-a': '12' }), other: headers({ 'x-a': '1x' }) },
  { match: { headers: { 'x-a': {} } }, fits: headers({ 'x-a': 'any' }), other: {} },
  { match: { withoutHeaders: { 'x-a': { exact: '1' } } }, fits: headers({ 'x-a': '2' }), other: headers({ 'x-a': '1' }) },
  { match: { withoutHeaders: { 'x-a': { prefix: '1' } } }, fits: {}, other: headers({ 'x-a': '12' }) },
  { match: { withoutHeaders: { 'x-a': { regex: '1|2' } } }, fits: headers({ 'x-a': '12' }), other: headers({ 'x-a': '2' }) },
])
counting('query parameters', [
  { match: { queryParams: { v: { exact: '2' } } }, fits: path('/?a=1&v=2'), other: path('/?v=22') },
  { match: { queryParams: { v: { prefix: 'be' } } }, fits: path('/?v=beta&b'), other: path('/?v=abe') },
  { match: { queryParams: { v: { regex: '[0-9]+' } } }, fits: path('/?v=12'), other: path('/?v=1a') },
])

behaviour('a limit counts by the exact authority', async ({ t, mesh, router, apply }) => {
  const { host } = await mesh.serve()
  await apply(rateLimit(host, { match: [{ authority: { exact: host } }], limits: [{ per: 'route', requests: 1, unit: 'day' }] }))
  t.same(
    [(await ask(router.http, `${host}:80`)).status, (await ask(router.http, host)).status, (await ask(router.http, host)).status],
    [200, 200, 429],
  )
})

behaviour('a limit holds for an app without other rules, and goes with its resource', async ({ t, mesh, router, apply }) => {
  const { host, instances } = await mesh.serve()
  await apply(rateLimit(host, { limits: [{ per: 'route', requests: 3, unit: 'day' }] }))
  const statuses = (await many(16, () => ask(router.http, host))).map(({ status }) => status)
  t.equal(statuses.filter((status) => status === 200).length, 3)
  t.equal(instances[0]?.requests, 3)
  await mesh.call('DELETE', `/v1/resources/ratelimit/space/${host.replaceAll('.', '-')}`)
  await mesh.until(() => ask(router.http, host), 200)
  t.ok((await many(16, () => ask(router.http, host))).every(({ status }) => status === 200))
})

behaviour(
  "the operator's service counts for all routers together, and knows the limit and whose it is",
  async ({ t, mesh, router, apply }) => {
    const service = mesh.rateLimits!
    const { host } = await mesh.serve()
    await apply(
      rateLimit(host, {
        global: true,
        match: [{ uri: { prefix: '/buy' } }],
        limits: [{ per: 'header:X-Api-Key', requests: 10, unit: 'hour' }],
      }),
    )
    const buy = (port: number, key: string) => ask(port, host, { path: '/buy', headers: { 'x-api-key': key } })
    await mesh.eventually(async () => (await buy(router.trusting, 'wait')).headers['x-ratelimit-limit'])
    const passed = (await Promise.all([router.http, router.trusting].map((port) => many(16, () => buy(port, 'one')))))
      .flat()
      .filter(({ status }) => status === 200)
    t.equal(passed.length, 10)
    t.equal((await buy(router.http, 'two')).status, 200)
    t.equal((await ask(router.http, host, { path: '/look', headers: { 'x-api-key': 'one' } })).status, 200)

    const refused = await buy(router.http, 'one')
    t.equal(refused.status, 429)
    t.match(refused.headers, {
      'retry-after': '42',
      'x-ratelimit-limit': '10, 10;w=3600',
      'x-ratelimit-remaining': '0',
      'x-ratelimit-reset': '42',
      'x-cf-routererror': 'rate_limited',
    })
    t.match(await mesh.eventually(() => router.accessLog().find((line) => line['host'] === host && line['status'] === 429)), {
      flags: 'RL',
    })
    const { domain, descriptors } = service.asked.at(-1)!
    t.equal(domain, 'mesh')
    t.same(
      descriptors[0]?.entries.map(({ key, value }) => [key, value]),
      [
        ['rate_limit', `space/${host.replaceAll('.', '-')}/0`],
        ['path', '/'],
        ['header_match', 'yes'],
        ['header:x-api-key', 'one'],
      ],
    )
    t.match(descriptors[0]?.limit, { requestsPerUnit: 10, unit: 3 })
    t.match([...service.askers], ['DNS:istio-router.service.cf.internal, IP Address:127.0.0.1'], 'over mutual TLS')
  },
  { only: 'envoy' },
)

behaviour(
  "requests pass while the operator's service is away, and are counted again when it is back",
  async ({ t, mesh, router, apply }) => {
    const service = mesh.rateLimits!
    const { host } = await mesh.serve()
    await apply(rateLimit(host, { global: true, limits: [{ per: 'route', requests: 4, unit: 'day' }] }))
    await many(16, () => ask(router.http, host))
    t.equal((await ask(router.http, host)).status, 429)
    service.stop()
    t.ok((await many(16, () => ask(router.http, host))).every(({ status }) => status === 200))
    await service.resume()
    await mesh.until(() => ask(router.http, host), 429)
  },
  { only: 'envoy' },
)

behaviour(
  "a limit that the operator's service would count is refused by name, and holds up no other rules",
  async ({ t, mesh, router, apply }) => {
    const [{ host }, { host: other }] = [await mesh.serve(), await mesh.serve()]
    await apply(virtualService(other, says('first')))
    const name = host.replaceAll('.', '-')
    await mesh.call('POST', '/v1/resources/apply', {
      documents: [rateLimit(host, { global: true, limits: [{ per: 'route', requests: 1, unit: 'day' }] })],
      namespace: 'space',
    })
    const degraded = await mesh.eventually(async () => {
      const { status } = (await mesh.call('GET', `/v1/resources/ratelimit/space/${name}`)) as {
        status: { conditions: { type: string; status: string; message?: string }[] }
      }
      return status.conditions.find((one) => one.type === 'Degraded' && one.status === 'True')
    })
    t.match(
      degraded.message,
      new RegExp(`router embedded\\S* refuses the rules of ${host} .*rate_limits: is not supported by the embedded engine`),
    )
    await apply(virtualService(other, says('changed')))
    t.equal((await ask(router.http, other)).body, 'changed')
    t.equal((await ask(router.http, host)).status, 200)
    await mesh.call('DELETE', `/v1/resources/ratelimit/space/${name}`)
  },
  { only: 'embedded' },
)
