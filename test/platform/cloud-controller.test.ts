import { test } from 'tap'
import { CloudController } from '../../src/platform/cloud-controller/client.ts'
import * as CC from '../../src/platform/cloud-controller/resources.ts'
import { UaaTokens } from '../../src/platform/uaa.ts'
import { FakeCloudController } from './support/cloud-controller.ts'

const backoff = { min: 1, max: 5 }

async function begin(t: { teardown: (end: () => Promise<void>) => void }, secret = 'secret') {
  const server = await new FakeCloudController().listen()
  const tokens = new UaaTokens({ url: () => client.discoverUaa(), clientId: 'syncer', clientSecret: secret, backoff })
  const client: CloudController = new CloudController({ url: server.url, tokens, backoff })
  t.teardown(async () => {
    await tokens.close()
    await client.close()
    await server.close()
  })
  return { server, client, tokens }
}

const routes = (client: CloudController) => client.list('/v3/routes', CC.Route)

test('a list is read page by page, with a token of the UAA that the root names', async (t) => {
  const { server, client } = await begin(t)
  server.perPage = 2
  for (const name of ['a', 'b', 'c', 'd', 'e']) server.route({ guid: name, url: `${name}.mesh` })
  t.same(
    (await routes(client)).map(({ guid }) => guid),
    ['a', 'b', 'c', 'd', 'e'],
  )
  t.match(server.requests, ['GET /', 'POST /oauth/token', 'GET /v3/routes?per_page=5000', /page=2/, /page=3/])
  t.equal(server.tokens, 1)
})

test('guids are asked for in requests of bounded length', async (t) => {
  const { server, client } = await begin(t)
  const guids = Array.from({ length: 250 }, (_, index) => `guid-${index}`)
  for (const guid of guids.slice(0, 249)) server.route({ guid, url: `${guid}.mesh` })
  t.equal((await client.listGuids('/v3/routes', CC.Route, guids)).length, 249)
  t.equal(server.requests.filter((request) => request.includes('/v3/routes')).length, 3)
  t.same(await client.listGuids('/v3/routes', CC.Route, []), [])
})

test('a token that is refused is replaced', async (t) => {
  const { server, client } = await begin(t)
  await routes(client)
  server.revokeTokens()
  t.same(await routes(client), [])
  t.equal(server.tokens, 2)
})

test('requests that meet 429 or 5xx are repeated, and what Retry-After says is honoured', async (t) => {
  const { server, client } = await begin(t)
  await routes(client)
  server.answers.set('/v3/routes', [{ status: 500 }, { status: 503, body: '<html>' }, { status: 429, headers: { 'retry-after': '1' } }])
  const begun = Date.now()
  t.same(await routes(client), [])
  t.ok(Date.now() - begun >= 990, 'waited')
})

test('nothing is sent while the rate limit is used up', async (t) => {
  const { server, client } = await begin(t)
  const reset = Math.ceil(Date.now() / 1000) + 1
  server.answers.set('/v3/apps', [
    {
      body: '{"pagination":{"total_results":0},"resources":[]}',
      headers: { 'x-ratelimit-limit': '100', 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(reset) },
    },
  ])
  await client.list('/v3/apps', CC.App)
  await routes(client)
  t.ok(Date.now() >= reset * 1000, 'waited')
})

test('a refusal is not repeated', async (t) => {
  const { server, client } = await begin(t)
  await routes(client)
  server.answers.set('/v3/routes', [
    { status: 403, body: '{"errors":[{"code":10003,"title":"CF-NotAuthorized","detail":"You are not authorized"}]}' },
  ])
  await t.rejects(routes(client), { code: 'MESH_CC_REFUSED', message: /403: CF-NotAuthorized: You are not authorized/ })
})

test('what is no whole list is an error', async (t) => {
  const { server, client } = await begin(t)
  const good = {
    guid: 'g',
    url: 'a.mesh',
    destinations: [],
    relationships: { space: { data: { guid: 's' } }, domain: { data: { guid: 'd' } } },
  }
  const page = (resources: unknown[], total = resources.length, next: unknown = null): string =>
    JSON.stringify({ pagination: { total_results: total, next }, resources })
  for (const [name, body, expected] of [
    ['HTML', '<html><body>maintenance', { code: 'MESH_ANSWER_NOT_JSON', message: /begins with "<html/ }],
    ['half a page', page([good]).slice(0, 80), { code: 'MESH_ANSWER_NOT_JSON' }],
    [
      'a wrong type',
      page([good, { ...good, guid: 'h', destinations: [{ app: { guid: 7 } }] }]),
      { code: 'MESH_ANSWER_INVALID', message: /resources\[1\]\.destinations\[0\]\.app\.guid: must be string/ },
    ],
    ['a missing field', page([{ ...good, url: undefined }]), { code: 'MESH_ANSWER_INVALID', message: /resources\[0\]\.url: is required/ }],
    ['fewer than it says', page([good], 5), { code: 'MESH_CC_LIST_SHORT', message: /1 of 5/ }],
    ['an empty page with more to come', page([], 5, { href: 'http://x/v3/routes?page=2' }), { code: 'MESH_CC_LIST_SHORT' }],
    ['pages in a circle', page([good], 1, { href: '/v3/routes?per_page=5000' }), { code: 'MESH_CC_LIST_SHORT' }],
    ['a next that is no address', page([good], 2, { href: 'http://[' }), { code: 'MESH_CC_LIST_SHORT' }],
    ['a next that is no web address', page([good], 2, { href: 'mailto:a' }), { code: 'MESH_CC_LIST_SHORT' }],
  ] as const) {
    server.answers.set(
      '/v3/routes',
      [1, 2, 3].map(() => ({ body })),
    )
    await t.rejects(routes(client), expected, name)
  }
  server.answers.clear()
  t.same(await routes(client), [], 'and the next one is read')
})

test('a list that moved while it was read is read again', async (t) => {
  const { server, client } = await begin(t)
  server.route({ guid: 'a', url: 'a.mesh' })
  server.answers.set('/v3/routes', [{ body: '{"pagination":{"total_results":1,"next":null},"resources":[]}' }])
  t.same(
    (await routes(client)).map(({ guid }) => guid),
    ['a'],
  )
})

test('one token serves all who ask at once, and is renewed before it expires', async (t) => {
  const { server, tokens } = await begin(t)
  t.same(await Promise.all([tokens.token(), tokens.token(), tokens.token()]), ['token-1', 'token-1', 'token-1'])
  t.equal(await tokens.token(), 'token-1')
  tokens.discard('token-1')
  server.tokenLifetime = 1
  t.equal(await tokens.token(), 'token-2')
  await new Promise((resolve) => setTimeout(resolve, 800))
  t.equal(await tokens.token(), 'token-3', 'with a quarter of its life left')
})

test('a token still good is used while UAA is away', async (t) => {
  const { server, tokens } = await begin(t)
  server.tokenLifetime = 4
  t.equal(await tokens.token(), 'token-1')
  await new Promise((resolve) => setTimeout(resolve, 3_050))
  server.answers.set(
    '/oauth/token',
    Array.from({ length: 9 }, () => ({ status: 500 })),
  )
  t.equal(await tokens.token(), 'token-1')
})

test('UAA is asked again after 401 and 5xx, and what it says is told', async (t) => {
  const { server, tokens } = await begin(t)
  server.answers.set('/oauth/token', [{ status: 503 }, { status: 401 }])
  t.equal(await tokens.token(), 'token-1')
  const wrong = await begin(t, 'wrong')
  await t.rejects(wrong.tokens.token(), { code: 'MESH_UAA_TOKEN_REFUSED', message: /401.*unauthorized.*check uaa.clientId/ })
  const odd = await begin(t)
  odd.server.answers.set(
    '/oauth/token',
    Array.from({ length: 3 }, () => ({ body: '{"access_token":"t","expires_in":"soon"}' })),
  )
  await t.rejects(odd.tokens.token(), { code: 'MESH_ANSWER_INVALID', message: /expires_in: must be number/ })
})
