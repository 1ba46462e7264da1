import type { Limit, RateLimitSpec } from '../../src/mesh/istio/types.ts'
import { ask, many, type Answer, type Ask } from '../support/client.ts'
import { behaviour, type Scene } from '../support/conformance.ts'
import { rateLimit, says, virtualService } from '../support/rules.ts'

/** A host that answers by itself, with limits, and what sends requests to it. */
async function limited({ mesh, router, apply }: Scene, limits: Limit[], more: Partial<RateLimitSpec> = {}) {
  const { host } = await mesh.serve()
  await apply(virtualService(host, says('passed')), rateLimit(host, { limits, ...more }))
  const send = (options: Ask = {}, port = router.http): Promise<Answer> => ask(port, host, options)
  const passing = async (n: number, options: Ask = {}, port?: number): Promise<number> => (await many(n, () => send(options, port))).filter(({ status }) => status === 200).length
  return { host, send, passing }
}

behaviour('a limit lets exactly as many requests pass, over all connections, workers and listeners', async (scene) => {
  const { t, router } = scene
  const { host, send, passing } = await limited(scene, [{ per: 'route', requests: 60, unit: 'day' }])
  const tls = { ca: router.ca, servername: host }
  const passed = await Promise.all([passing(80), passing(80), passing(40, { tls }, router.https)])
  t.equal(passed.reduce((sum, one) => sum + one), 60)
  const { status, headers } = await send()
  t.equal(status, 429)
  t.match(headers, { 'retry-after': /^\d+$/, 'x-ratelimit-limit': '60', 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': /^\d+$/, 'x-cf-routererror': 'rate_limited' })
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
  const { passing } = await limited(scene, [{ per: 'header:X-Api-Key', requests: 4, unit: 'day' }, { per: 'route', requests: 10, unit: 'day' }])
  t.equal(await passing(8, { headers: { 'x-api-key': 'one' } }), 4)
  t.ok(await passing(16) <= 6, 'the others share what is left of the whole')
})

const seconds = { second: 1, minute: 60, hour: 3600, day: 86_400 }
for (const unit of ['second', 'minute', 'hour', 'day'] as const) {
  behaviour(`a limit a ${unit} has a token again when Retry-After says so`, async (scene) => {
    const { t, mesh } = scene
    const { send, passing } = await limited(scene, [{ per: 'route', requests: 2, unit, burst: 3 }])
    t.ok(await passing(24) >= 3)
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
  const { passing } = await limited(scene, [{ per: 'route', requests: 10, unit: 'day' }], { match: [{ uri: { prefix: '/buy' }, withoutHeaders: { 'x-free': {} } }, { queryParams: { sale: { exact: 'yes' } }, method: { exact: 'GET' } }] })
  t.equal(await passing(16, { path: '/look?sale=no' }), 16)
  t.equal(await passing(16, { path: '/look?sale=yes', method: 'POST' }), 16)
  t.equal(await passing(16, { path: '/buy', headers: { 'x-free': '1' } }), 16)
  t.equal(await passing(8, { path: '/buy/it?sale=yes' }), 8)
  t.equal(await passing(8, { path: '/look?x=1&sale=yes' }), 2)
  t.equal(await passing(8, { path: '/buy' }), 0)
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
