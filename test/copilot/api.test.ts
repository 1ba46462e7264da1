import { generateKeyPair } from 'jose'
import tap, { test } from 'tap'
import { request } from 'undici'
import { eventually } from '../support/wait.ts'
import { ask, Copilot } from './harness.ts'
import { startUaa } from './platform.ts'
import { app, hello, instance, organization, process, route, space } from './records.ts'

const copilot = await Copilot.start(tap)
await copilot.put('e1', [
  ...hello,
  organization('org2', 'other'),
  space('space2', 'org2', 'dev'),
  app('v1', 'space', 'reviews-v1', { app: 'reviews', version: 'v1' }),
  app('v2', 'space', 'reviews-v2', { app: 'reviews', version: 'v2' }),
  app('lone', 'space2', 'lone'),
  process('v1-p', 'v1', 3),
  process('v2-p', 'v2', 1),
  instance('r-0', 'v1-p', 0),
  instance('r-1', 'v1-p', 1),
  instance('r-2', 'v2-p', 0, '10.0.0.2'),
  instance('r-9', 'v2-p', 9),
  route('reviews.mesh.test', 'v1', ['v1-p'], {
    destinations: [
      { app: 'v1', type: 'web', port: 8080, protocol: 'http1', processes: ['v1-p'], weight: 90 },
      { app: 'v2', type: 'web', port: 8080, protocol: 'http1', processes: ['v2-p'], weight: 10 },
    ],
  }),
  route('reviews.mesh.test', 'v2', ['v2-p'], { path: '/v2' }),
  route('*.mesh.test', 'lone', [], { space: 'space2' }),
  route('db.apps.mesh.internal', 'lone', [], { exposure: 'int', space: 'space2' }),
  route('other.elsewhere.test', 'lone', [], { space: 'space2' }),
])

const hosts = async (query: string): Promise<string[]> =>
  (await copilot.get(`/v1/routes${query}`)).body.items.map(({ host, path }: { host: string; path: string }) => host + path)

test('routes are filtered by host, domain, app, space and organization, by name or guid', async (t) => {
  t.equal((await hosts('')).length, 6)
  t.strictSame(await hosts('?host=Reviews.mesh.test:80'), ['reviews.mesh.test', 'reviews.mesh.test/v2'])
  t.strictSame(await hosts('?domain=mesh.test'), ['*.mesh.test', 'hello.mesh.test', 'reviews.mesh.test', 'reviews.mesh.test/v2'])
  t.strictSame(await hosts('?domain=esh.test'), [], 'a domain is no mere ending')
  t.strictSame(await hosts('?domain=%25.test'), [], 'nor a pattern')
  t.strictSame(await hosts('?app=reviews-v2'), ['reviews.mesh.test', 'reviews.mesh.test/v2'])
  t.strictSame(await hosts('?app=v2&host=reviews.mesh.test'), ['reviews.mesh.test', 'reviews.mesh.test/v2'])
  t.strictSame(await hosts('?space=dev&organization=acme'), ['hello.mesh.test', 'reviews.mesh.test', 'reviews.mesh.test/v2'])
  t.equal((await hosts('?space=dev')).length, 6, 'a name that two spaces have means both')
  t.strictSame(await hosts('?organization=org2'), ['db.apps.mesh.internal', '*.mesh.test', 'other.elsewhere.test'])
  t.match(await copilot.get('/v1/routes?space=typo'), { status: 404, body: { code: 'MESH_NAME_UNKNOWN', message: /no space .* typo/ } })
  t.match(await copilot.get('/v1/routes?app=lone&organization=acme'), { status: 404 }, 'an app of another organization')
})

test('a change of a route changes by which app it is found', async (t) => {
  await copilot.change('e1', [route('moving.test', 'v1', []), route('going.test', 'v1', [])])
  t.ok((await hosts('?app=v1')).includes('moving.test'))
  await copilot.change('e1', [route('moving.test', 'lone', []), { kind: 'route', key: 'pub/going.test', value: null }])
  const ofV1 = await hosts('?app=v1')
  t.notOk(ofV1.includes('moving.test') || ofV1.includes('going.test'))
  t.ok((await hosts('?app=lone')).includes('moving.test'))
  await copilot.change('e1', [{ kind: 'route', key: 'pub/moving.test', value: null }])
})

test('a list comes page by page, whatever changes between them', async (t) => {
  const seen: string[] = []
  let cursor = ''
  do {
    const { body } = await copilot.get(`/v1/routes?limit=2${cursor && `&cursor=${cursor}`}`)
    t.ok(body.items.length <= 2)
    seen.push(...body.items.map(({ key }: { key: string }) => key))
    cursor = body.next ?? ''
    if (seen.length === 2)
      await copilot.change('e1', [route('aaa.mesh.test', 'v1', []), { kind: 'route', key: 'pub/other.elsewhere.test', value: null }])
  } while (cursor)
  t.equal(new Set(seen).size, seen.length)
  t.strictSame(seen, [
    'int/db.apps.mesh.internal',
    'pub/*.mesh.test',
    'pub/aaa.mesh.test',
    'pub/hello.mesh.test',
    'pub/reviews.mesh.test',
    'pub/reviews.mesh.test/v2',
  ])
  await copilot.change('e1', [
    route('other.elsewhere.test', 'lone', [], { space: 'space2' }),
    { kind: 'route', key: 'pub/aaa.mesh.test', value: null },
  ])
  for (const wrong of ['cursor=!!', 'limit=0', 'limit=x', 'colour=red'])
    t.match(await copilot.get(`/v1/routes?${wrong}`), { status: 422 }, wrong)
})

test('a route shows its destinations, their shares and instances', async (t) => {
  const { body } = await copilot.get('/v1/routes/reviews.mesh.test')
  t.match(body, { key: 'pub/reviews.mesh.test', state: 'serving', space: { guid: 'space', name: 'dev' }, organization: { name: 'acme' } })
  t.match(body.destinations, [
    { app: { name: 'reviews-v1' }, share: 0.9, wanted: 3, instances: [{ guid: 'r-0' }, { guid: 'r-1' }] },
    { app: { name: 'reviews-v2' }, share: 0.1, wanted: 1, instances: [{ guid: 'r-2', port: 62000 }] },
  ])
  t.equal(body.destinations[1].instances.length, 1, 'an index that is not wanted any more is left out')
  t.match(await copilot.get('/v1/routes/reviews.mesh.test/v2'), { status: 200, body: { path: '/v2' } })
  t.match(await copilot.get('/v1/routes/db.apps.mesh.internal?exposure=int'), { status: 200, body: { state: 'no-instances' } })
  t.match(await copilot.get('/v1/routes/db.apps.mesh.internal'), { status: 404, body: { code: 'MESH_ROUTE_UNKNOWN' } })
})

test('a trace tells the route that answers, or why none does', async (t) => {
  const trace = async (query: string): Promise<any> => (await copilot.get(`/v1/trace?${query}`)).body
  t.match(await trace('host=REVIEWS.mesh.test.:8080&path=/v2/x?q=1'), { host: 'reviews.mesh.test', path: '/v2/x', route: { path: '/v2' } })
  t.match(await trace('host=reviews.mesh.test&path=/v1/../v2'), { path: '/v2', route: { path: '/v2' } })
  t.match(await trace('host=reviews.mesh.test&path=/v22'), {
    route: { path: '' },
    candidates: [
      { key: 'pub/reviews.mesh.test/v22', exists: false },
      { key: 'pub/reviews.mesh.test', exists: true },
    ],
  })
  t.match(await trace('host=any.mesh.test'), { status: 503, route: { host: '*.mesh.test' } })
  t.match(await trace('host=nope.test'), { status: 404, why: /no route/ })
  t.match(await trace('host=db.apps.mesh.internal'), { status: 404 })
  t.match(await trace('host=db.apps.mesh.internal&exposure=int'), { status: 503 })
  t.match(await trace('host=reviews.mesh.test&path=/a%2500%00'), { status: 400 })
  t.match(await copilot.get('/v1/trace?path=/'), { status: 422, body: { path: 'host' } })
})

test('services are apps by label or name, per space', async (t) => {
  const list = async (query = ''): Promise<any[]> => (await copilot.get(`/v1/services${query}`)).body.items
  t.match(await list(), [
    { name: 'hello', fullName: 'hello.dev.acme', instances: 2, hosts: ['hello.mesh.test'] },
    {
      name: 'reviews',
      fullName: 'reviews.dev.acme',
      instances: 3,
      apps: [
        { name: 'reviews-v1', instances: 2 },
        { name: 'reviews-v2', instances: 1 },
      ],
      hosts: ['reviews.mesh.test', 'reviews.mesh.test/v2'],
    },
    { name: 'lone', fullName: 'lone.dev.other', instances: 0 },
  ])
  for (const name of ['reviews', 'reviews.dev', 'reviews.dev.acme']) t.equal((await list(`?name=${name}`)).length, 1, name)
  t.equal((await list('?name=reviews.dev.other')).length, 0)
  t.equal((await list('?organization=other')).length, 1)
  const names: string[] = []
  for (let cursor = ''; ;) {
    const { body } = await copilot.get(`/v1/services?limit=1${cursor && `&cursor=${cursor}`}`)
    names.push(...body.items.map(({ name }: { name: string }) => name))
    if (!body.next) break
    cursor = body.next
  }
  t.strictSame(names, ['hello', 'reviews', 'lone'])
  t.match(await copilot.get('/v1/services?cursor=eA'), { status: 422, body: { code: 'MESH_CURSOR_INVALID' } })
})

test('apps and instances', async (t) => {
  const apps = (await copilot.get('/v1/apps?name=hello')).body.items
  t.match(apps, [
    {
      guid: 'hello-guid',
      name: 'hello',
      processes: [{ guid: 'hello-p', type: 'web', wanted: 2, running: 2 }],
      routes: ['hello.mesh.test'],
      labels: { version: 'v1' },
    },
  ])
  t.equal((await copilot.get('/v1/apps')).body.items.length, 4)
  const guids = async (query: string): Promise<string[]> =>
    (await copilot.get(`/v1/instances${query}`)).body.items.map(({ guid }: { guid: string }) => guid)
  t.strictSame(await guids('?app=reviews-v2'), ['r-2', 'r-9'])
  t.strictSame(await guids('?process=hello-p'), ['i-0', 'i-1'])
  t.strictSame(await guids('?organization=other'), [])
  t.equal((await guids('')).length, 6)
  t.match((await copilot.get('/v1/instances?app=v2')).body.items, [
    { wanted: true, app: { name: 'reviews-v2' }, space: { name: 'dev' } },
    { guid: 'r-9', wanted: false },
  ])
})

test('components report, are lost, hold syncs, and an operator releases one', async (t) => {
  const held = {
    id: 'h1',
    since: new Date().toISOString(),
    source: 'cf',
    reason: '30 % of the routes',
    removes: { routes: 30, instances: 60 },
  }
  const conflicts = [{ key: 'pub/hello.mesh.test', route: 'r2', space: 'space2', servedSpace: 'space', reason: 'the host is mirrored' }]
  const report = { version: '1.2.3', ready: true, held, conflicts }
  const tell = async (body: object): Promise<unknown> =>
    (await copilot.as('route-syncer', 'PUT', '/v1/components/route-syncer/s1', body)).body
  t.match(await ask('POST', `${copilot.api}/v1/sync/accept`, {}), { status: 404, body: { code: 'MESH_NOTHING_HELD' } })
  t.strictSame(await tell(report), { orders: {} })
  await copilot.as('pilot', 'PUT', '/v1/components/pilot/p1', {
    version: '1',
    ready: false,
    reason: 'no copilot',
    revision: 0,
    routers: [{ name: 'r1', connected: true, acknowledged: 7 }],
  })

  const { body } = await copilot.get('/v1/status')
  t.match(body, { held: [held], conflicts: [{ key: 'pub/hello.mesh.test', space: { name: 'dev' } }], sources: [{ name: 'cf' }] })
  t.match(body.components, [
    { kind: 'pilot', name: 'p1', ready: false, reason: 'no copilot', lag: body.revision, lost: false },
    { kind: 'route-syncer', version: '1.2.3', ready: true },
  ])
  t.match((await copilot.get('/v1/routes/hello.mesh.test')).body.conflicts, [{ route: 'r2', servedSpace: { guid: 'space' } }])
  t.match((await copilot.get('/v1/routers')).body.items, [{ name: 'r1', pilot: 'p1', acknowledged: 7 }])

  t.match(await ask('POST', `${copilot.api}/v1/sync/accept`, { source: 'other' }), {
    status: 404,
    body: { message: /no sync other is held; those of cf are/ },
  })
  t.match(await ask('POST', `${copilot.api}/v1/sync/accept`, { source: 'cf' }), { status: 200, body: { accepted: { id: 'h1' } } })
  await eventually(() => /"audit":true,.*"action":"accepted","subject":"sync\/cf\/h1"/.test(copilot.output))
  t.strictSame(await tell(report), { orders: { acceptSync: 'h1' } })
  t.strictSame(await tell({ ...report, held: { ...held, id: 'h2' } }), { orders: {} }, 'the next one is held anew')
  t.strictSame(await tell({ ...report, held: null }), { orders: {} })

  await copilot.as('route-syncer', 'PUT', '/v1/components/route-syncer/s2', { ...report, held: { ...held, id: 'h3', source: 'b' } })
  await tell({ ...report, held })
  t.match(await ask('POST', `${copilot.api}/v1/sync/accept`, {}), {
    status: 409,
    body: { code: 'MESH_SEVERAL_HELD', message: /cf h1, b h3/ },
  })
})

test('a body that is nested too deeply is refused as such', async (t) => {
  const nested = (levels: number): string => `{"namespace": "dev", "documents": ${'['.repeat(levels)}${']'.repeat(levels)}}`
  for (const levels of [300, 20_000])
    t.match(
      await ask('POST', `${copilot.api}/v1/resources/apply`, nested(levels), { headers: { 'content-type': 'application/json' } }),
      { status: 422, body: { code: 'MESH_BODY_TOO_DEEP' } },
      `${levels} levels`,
    )
})

test('the API describes itself', async (t) => {
  const { body } = await copilot.get('/docs/json')
  t.match(body.openapi, /^3\./)
  for (const path of [
    '/v1/routes',
    '/v1/trace',
    '/v1/services',
    '/v1/apps',
    '/v1/instances',
    '/v1/components',
    '/v1/routers',
    '/v1/status',
    '/v1/sync/accept',
  ])
    t.ok(body.paths[path], path)
  t.equal((await request(`${copilot.api}/docs/`)).statusCode, 200)
  const operations = Object.values(
    body.paths as Record<string, Record<string, { parameters?: { name: string; required: boolean; in: string }[]; responses: object }>>,
  ).flatMap((operations) => Object.values(operations))
  t.ok(
    operations.every(({ responses }) => 'default' in responses),
    'each says what a refusal looks like',
  )
  const asked = operations.flatMap(({ parameters = [] }) =>
    parameters.filter((one) => one.in === 'query' && one.required).map(({ name }) => name),
  )
  t.strictSame([...new Set(asked)], ['host'], 'what has a default may be left out')
  t.match(body.components.schemas.Problem.properties, { code: {}, message: {}, path: {}, problems: {} })
  t.same(
    body.paths['/v1/routes/{rest}'].get.parameters
      .filter((one: { in: string }) => one.in === 'path')
      .map(({ name }: { name: string }) => name),
    ['rest'],
  )
  t.ok(body.paths['/v1/resources/{kind}/{namespace}/{name}'].patch.requestBody.content['application/merge-patch+json'])
  t.notOk(body.security, 'nobody logs in here')
})

test('a page of a foreign site cannot use the API through a browser on this machine', async (t) => {
  t.match(await ask('GET', `${copilot.api}/v1/status`, undefined, { headers: { host: 'evil.example' } }), {
    status: 403,
    body: { code: 'MESH_HOST_REFUSED' },
  })
  t.equal((await ask('GET', `${copilot.api}/v1/status`, undefined, { headers: { host: 'localhost:1' } })).status, 200)
  t.equal(
    (await ask('POST', `${copilot.api}/v1/sync/accept`, '{}', { headers: { 'content-type': 'text/plain' } })).status,
    415,
    'nor by a form',
  )
})

test('a token of UAA decides where authentication is on', async (t) => {
  const uaa = await startUaa()
  t.teardown(() => uaa.server.close())
  const guarded = await Copilot.start(t, { api: { listen: { port: 0 }, uaa: { url: uaa.url, issuer: 'https://uaa.test/oauth/token' } } })
  const base = guarded.output.match(/http:\/\/127\.0\.0\.1:\d+/)![0]
  const call = async (token?: string, method: 'GET' | 'POST' = 'GET', path = '/v1/status'): Promise<unknown> => {
    const { status, body } = await ask(method, `${base}${path}`, method === 'POST' ? {} : undefined, {
      headers: token ? { authorization: `bearer ${token}` } : {},
    })
    return [status, body.code]
  }
  const admin = { scope: ['openid', 'cloud_controller.admin'] }
  t.strictSame(await call(), [401, 'MESH_TOKEN_MISSING'])
  t.strictSame(await call('nonsense'), [401, 'MESH_TOKEN_INVALID'])
  t.strictSame(await call(await uaa.token(admin)), [200, undefined])
  for (const scope of ['cloud_controller.admin_read_only', 'cloud_controller.global_auditor']) {
    const token = await uaa.token({ scope: [scope] })
    t.strictSame(await call(token), [200, undefined], scope)
    t.strictSame(await call(token, 'POST', '/v1/sync/accept'), [403, 'MESH_SCOPE_MISSING'], `${scope} only reads`)
  }
  t.strictSame(await call(await uaa.token(admin), 'POST', '/v1/sync/accept'), [404, 'MESH_NOTHING_HELD'])
  t.strictSame(await call(await uaa.token({ scope: ['cloud_controller.read'] })), [403, 'MESH_SCOPE_MISSING'])
  t.strictSame(await call(await uaa.token({})), [403, 'MESH_SCOPE_MISSING'])
  t.strictSame(await call(await uaa.token(admin, { issuer: 'https://evil.test' })), [401, 'MESH_TOKEN_INVALID'])
  t.strictSame(await call(await uaa.token(admin, { audience: 'other' })), [401, 'MESH_TOKEN_INVALID'])
  t.strictSame(await call(await uaa.token(admin, { expires: '-1m' })), [401, 'MESH_TOKEN_INVALID'])
  const { privateKey } = await generateKeyPair('RS256')
  t.strictSame(await call(await uaa.token(admin, { key: privateKey })), [401, 'MESH_TOKEN_INVALID'], 'signed by somebody else')
  const { iat: _, ...claims } = {
    iat: 0,
    ...admin,
    iss: 'https://uaa.test/oauth/token',
    aud: ['cloud_controller'],
    exp: Math.floor(Date.now() / 1000) + 600,
  }
  const none = [{ alg: 'none' }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  t.strictSame(await call(`${none}.`), [401, 'MESH_TOKEN_INVALID'], 'not signed')
})

test('while UAA cannot be asked, no token is believed', async (t) => {
  const uaa = await startUaa()
  const token = await uaa.token({ scope: ['cloud_controller.admin'] })
  uaa.server.close()
  uaa.server.closeAllConnections()
  const guarded = await Copilot.start(t, { api: { listen: { port: 0 }, uaa: { url: uaa.url, issuer: 'https://uaa.test/oauth/token' } } })
  const base = guarded.output.match(/http:\/\/127\.0\.0\.1:\d+/)![0]
  t.match(await ask('GET', `${base}/v1/status`, undefined, { headers: { authorization: `Bearer ${token}` } }), {
    status: 503,
    body: { code: 'MESH_UAA_UNREACHABLE' },
  })
})

test('an API that everybody could reach must ask who they are', async (t) => {
  const open = new Copilot()
  t.teardown(() => open.remove())
  await t.rejects(open.start({ api: { listen: { host: '0.0.0.0', port: 0 } } }), {
    message: /api\.tls: is required because api\.listen\.host 0\.0\.0\.0 is not loopback[^]*api\.uaa: is required/,
  })
})

test('subnets that are none end the start with their place', async (t) => {
  const wrong = new Copilot()
  t.teardown(() => wrong.remove())
  await t.rejects(wrong.start({ egressAllowed: ['10.1.0.0/16', '10.2.0.0/99', '300.1.1.1/8'] }), {
    message: /egressAllowed\[1\]: [^]*its prefix is 0 to 32 bits long[^]*egressAllowed\[2\]: [^]*is no subnet/,
  })
})
