import type { IncomingMessage, ServerResponse } from 'node:http'
import { behaviour } from '../support/conformance.ts'
import { ask, countBodies, many, type Answer } from '../support/client.ts'
import type { TestInstance } from '../support/instance.ts'
import { destinationRule, subsets, to, virtualService } from '../support/rules.ts'
import { within } from '../support/statistics.ts'

for (const weights of [
  [95, 5],
  [80, 20],
  [33, 33, 34],
  [1, 0],
]) {
  behaviour(`a rule splits requests ${weights.join('/')} over subsets`, async ({ t, router, mesh, apply }) => {
    const versions = weights.map((_weight, index) => `v${index + 1}`)
    const { host } = await mesh.serveVersions(Object.fromEntries(versions.map((version, index) => [version, { instances: index + 1 }])))
    await apply(
      destinationRule(host, { subsets: subsets(...versions) }),
      virtualService(host, { route: weights.map((weight, index) => ({ ...to(host, versions[index]), weight })) }),
    )
    const counts = countBodies(await many(400, () => ask(router.http, host)))
    const sum = weights.reduce((total, weight) => total + weight, 0)
    weights.forEach((weight, index) =>
      t.ok(within(counts[versions[index]!] ?? 0, 400, weight / sum), `${versions[index]}: ${counts[versions[index]!]} of 400`),
    )
  })
}

behaviour('an instance that is named but is not where the rule leads is 400', async ({ t, router, mesh, apply }) => {
  const guids: Record<string, string> = {}
  const handler = (request: IncomingMessage, response: ServerResponse): void => {
    guids[String(request.headers['x-cf-instanceid'])] = String(request.headers['x-cf-applicationid'])
    response.end(request.headers['x-cf-instanceid'])
  }
  const { host, apps } = await mesh.serveVersions({ v1: { instances: 2, handler }, v2: { handler } })
  await mesh.eventually(async () => {
    await ask(router.http, host)
    return Object.keys(guids).length === 3
  })
  await apply(destinationRule(host, { subsets: subsets('v1', 'v2') }), virtualService(host, { route: [to(host, 'v1')] }))
  const [[, v1], [v2]] = apps as [TestInstance[], TestInstance[]]
  const send = (header: string, guid: string, index: number): Promise<Answer> =>
    ask(router.http, host, { headers: { [header]: `${guid}:${index}` } })
  t.match(await send('x-cf-app-instance', guids[v1!.guid]!, 1), { status: 200, body: v1!.guid })
  const other = guids[v2!.guid]!
  for (const [header, what] of [
    ['x-cf-app-instance', 'guid'],
    ['x-cf-process-instance', 'process guid'],
  ] as const)
    t.match(await send(header, other, 0), {
      status: 400,
      headers: { 'x-cf-routererror': 'unknown_route', 'content-type': 'text/plain; charset=utf-8' },
      body: `400 Bad Request: Requested instance ('0') with ${what} ('${other}') does not exist for route ('${host}')\n`,
    })
})

behaviour('sessions stick to their instances within the subset that a rule chooses', async ({ t, router, mesh, apply }) => {
  const handler = (_request: IncomingMessage, response: ServerResponse): void => void response.setHeader('set-cookie', 'JSESSIONID=1').end()
  const annotations = { 'mesh.cloudfoundry.org/sticky-session': 'true' }
  const { host, apps } = await mesh.serveVersions({ v1: { instances: 3, handler, annotations }, v2: { handler, annotations } })
  await apply(destinationRule(host, { subsets: subsets('v1', 'v2') }), virtualService(host, { route: [to(host, 'v1')] }))
  const session = async (guid: string | undefined): Promise<string | undefined> => {
    const { headers } = await ask(router.http, host, { headers: { cookie: `JSESSIONID=1; __VCAP_ID__=${guid}` } })
    return /__VCAP_ID__=([^;]*); Path=\/; HttpOnly/.exec(headers['set-cookie']?.join() ?? '')?.[1]
  }
  const [v1, v2] = apps.map((instances) => instances.map(({ guid }) => guid))
  for (let i = 0; i < 8; i++) t.equal(await session(v1![1]), v1![1])
  t.ok(v1!.includes((await session(v2![0])) ?? ''), 'of the other subset')
})

behaviour(
  'a rule splits requests over the routes of other hosts, and a weight that moves holds at once',
  async ({ t, router, mesh, apply }) => {
    const host = (await mesh.serve()).host
    const [one, two] = [
      await mesh.serve({ handler: (_request, response) => response.end('one') }),
      await mesh.serve({ handler: (_request, response) => response.end('two') }),
    ]
    for (const weight of [70, 30]) {
      await apply(
        virtualService(host, {
          route: [
            { ...to(one.host), weight },
            { ...to(two.host), weight: 100 - weight },
          ],
        }),
      )
      const counts = countBodies(await many(320, () => ask(router.http, host)))
      t.ok(within(counts['one'] ?? 0, 320, weight / 100), `${counts['one']} of 320`)
    }
  },
)

behaviour('a subset is chosen by the labels of apps, by header and path', async ({ t, router, mesh, apply }) => {
  const { host } = await mesh.serveVersions({ v1: {}, v2: {}, v3: { appLabels: { tier: 'gold' } } })
  await apply(
    destinationRule(host, { subsets: [...subsets('v1', 'v2'), { name: 'gold', labels: { tier: 'gold', version: 'v3' } }] }),
    virtualService(
      host,
      { match: [{ headers: { 'end-user': { exact: 'jason' } } }], route: [to(host, 'v2')] },
      { match: [{ uri: { prefix: '/gold' } }], route: [to(host, 'gold')] },
      { route: [to(host, 'v1')] },
    ),
  )
  t.same(countBodies(await many(24, () => ask(router.http, host, { headers: { 'end-user': 'jason' } }))), { v2: 24 })
  t.same(countBodies(await many(24, () => ask(router.http, host, { path: '/gold' }))), { v3: 24 })
  t.same(countBodies(await many(24, () => ask(router.http, host))), { v1: 24 })
})

behaviour('a subset without instances is 503, and so is one that no rule gives', async ({ t, router, mesh, apply }) => {
  const { host } = await mesh.serveVersions({ v1: {} })
  await apply(
    destinationRule(host, { subsets: subsets('v1', 'v9') }),
    virtualService(
      host,
      { match: [{ uri: { prefix: '/none' } }], route: [to(host, 'v9')] },
      { match: [{ uri: { prefix: '/unknown' } }], route: [to(host, 'v8')] },
      { route: [to(host, 'v1')] },
    ),
  )
  t.equal((await ask(router.http, host, { path: '/none' })).status, 503)
  t.match(await ask(router.http, host, { path: '/unknown' }), { status: 503, headers: { 'x-cf-routererror': 'no_endpoints' } })
  t.equal((await ask(router.http, host)).status, 200)
})

behaviour('a destination is named by its port', async ({ t, router, mesh, apply }) => {
  const { host } = await mesh.serve({ handler: (_request, response) => response.end('app') })
  await apply(
    virtualService(host, { route: [{ destination: { host, port: { number: 8080 } } }], mirror: { host, port: { number: 8080 } } }),
  )
  t.equal((await ask(router.http, host)).body, 'app')
})

for (const [kind, consistentHash, asVisitor] of [
  [
    'a cookie',
    { httpCookie: { name: 'visitor', ttl: '0s' } },
    (visitor: string) => ({ headers: { cookie: `other=1; visitor=${visitor}` } }),
  ],
  ['a header', { httpHeaderName: 'x-user' }, (visitor: string) => ({ headers: { 'x-user': visitor } })],
] as const) {
  behaviour(`a weighted split sticks to a visitor by ${kind}`, async ({ t, router, mesh, apply }) => {
    const { host } = await mesh.serveVersions({ a: { instances: 2 }, b: {} })
    await apply(
      destinationRule(host, { trafficPolicy: { loadBalancer: { consistentHash } }, subsets: subsets('a', 'b') }),
      virtualService(host, {
        route: [
          { ...to(host, 'a'), weight: 70 },
          { ...to(host, 'b'), weight: 30 },
        ],
      }),
    )
    let first = 0
    for (let visitor = 0; visitor < 60; visitor++) {
      const bodies = new Set([
        (await ask(router.http, host, asVisitor(`v${visitor}`))).body,
        (await ask(router.http, host, asVisitor(`v${visitor}`))).body,
      ])
      t.equal(bodies.size, 1, `visitor ${visitor}`)
      if (bodies.has('a')) first++
    }
    t.ok(within(first, 60, 0.7), `${first} of 60`)
  })
}

behaviour('a visitor without the cookie is given one, by which he comes back', async ({ t, router, mesh, apply }) => {
  const { host } = await mesh.serveVersions({ a: {}, b: {} })
  const httpCookie = { name: 'visitor', ttl: '3600s', path: '/', attributes: [{ name: 'SameSite', value: 'Lax' }] }
  await apply(
    destinationRule(host, { trafficPolicy: { loadBalancer: { consistentHash: { httpCookie } } }, subsets: subsets('a', 'b') }),
    virtualService(host, {
      route: [
        { ...to(host, 'a'), weight: 50 },
        { ...to(host, 'b'), weight: 50 },
      ],
    }),
  )
  for (let visitor = 0; visitor < 20; visitor++) {
    const first = await ask(router.http, host)
    const [cookie = ''] = first.headers['set-cookie'] ?? []
    t.match(cookie, /^visitor="?[^;"]+"?; Max-Age=3600; Path=\/; SameSite=Lax; HttpOnly$/)
    // Envoy makes the cookie when the first request has its share already: the visitor sticks from the second one on.
    const again = () => ask(router.http, host, { headers: { cookie: cookie.split(';')[0] } })
    const second = await again()
    for (let i = 0; i < 3; i++) t.equal((await again()).body, second.body)
  }
})
