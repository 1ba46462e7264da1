import tap, { test } from 'tap'
import { request } from 'undici'
import { createAuthority, issueCertificate } from '../../src/common/pki.ts'
import { eventually } from '../support/wait.ts'
import { ask, Copilot } from './harness.ts'
import { app, hello, organization, process, route, space } from './records.ts'

const copilot = await Copilot.start(tap, { encryption: { keys: [{ name: 'k', secret: 'a random text of enough letters' }] } })
await copilot.put('e1', [
  ...hello,
  organization('org2'),
  space('space2', 'org2', 'foreign'),
  route('foreign.mesh.test', 'other', [], { space: 'space2' }),
])

const virtualService = (host: string, weight = 100, more: object = {}): object => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata: { name: 'canary', labels: { team: 'a' }, ...more },
  spec: { hosts: [host], http: [{ route: [{ destination: { host: 'hello' }, weight }] }] },
})
const apply = (...documents: unknown[]) => ask('POST', `${copilot.api}/v1/resources/apply`, { documents, namespace: 'dev' })
const dryRun = (...documents: unknown[]) => ask('POST', `${copilot.api}/v1/resources/apply?dryRun=true`, { documents, namespace: 'dev' })
const remove = (path: string) => ask('DELETE', `${copilot.api}${path}`)
const one = '/v1/resources/vs/dev/canary'
const rule = (name: string, hosts: string[], http: object[], more: object = {}) => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata: { name },
  spec: { hosts, http, ...more },
})
const destinationRule = (name: string, host: string, subsets: object[]) => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'DestinationRule',
  metadata: { name },
  spec: { host, subsets },
})

test('a resource is created, configured, unchanged, shown, rolled back and deleted', async (t) => {
  t.match(await apply(virtualService('hello.mesh.test')), {
    status: 200,
    body: { items: [{ key: 'virtualservice/space/canary', outcome: 'created', resourceVersion: '1' }] },
  })
  t.match(await apply(virtualService('hello.mesh.test')), { body: { items: [{ outcome: 'unchanged', resourceVersion: '1' }] } })
  t.match(await apply(virtualService('hello.mesh.test', 50)), { body: { items: [{ outcome: 'configured' }] } })
  t.match((await copilot.get(one)).body, {
    metadata: { generation: 2, resourceVersion: '2' },
    status: { conditions: [{ type: 'Accepted', status: 'True' }, { type: 'Programmed', status: 'Unknown' }, {}] },
  })
  const report = (generation: number, programmed: boolean, more = {}) =>
    copilot.as('pilot', 'PUT', '/v1/components/pilot/p1', {
      version: '1',
      ready: true,
      resources: { 'virtualservice/space/canary': { generation, programmed, ...more } },
    })
  const conditions = async () => (await copilot.get(one)).body.status.conditions.slice(1)
  await report(1, true)
  t.match(await conditions(), [{ type: 'Programmed', status: 'False', message: /not read this version/ }, {}])
  await report(2, true, { degraded: 'router r1 refuses it' })
  t.match(await conditions(), [
    { type: 'Programmed', status: 'True' },
    { type: 'Degraded', status: 'True', message: 'router r1 refuses it' },
  ])
  await report(2, false, { degraded: 'no router has such labels' })
  t.match(await conditions(), [{ status: 'False', message: 'it is not in force on every router; no router has such labels' }])
  await report(2, true)
  t.match((await ask('POST', `${copilot.api}${one}/rollback`, { to: 1 })).body, { outcome: 'configured' })
  t.match(
    await ask('PUT', `${copilot.api}${one}`, virtualService('hello.mesh.test', -1)),
    { status: 422, body: { message: /^spec\.http\[0\]\.route\[0\]\.weight: -1/ } },
    'of one there is no need to say which',
  )
  t.match(await ask('POST', `${copilot.api}${one}/rollback`, { to: 9 }), {
    status: 404,
    body: { code: 'MESH_VERSION_UNKNOWN', message: /kept are 3, 2, 1/ },
  })
  t.match(await copilot.get('/v1/resources/vs/dev/never/history'), { status: 404, body: { code: 'MESH_RESOURCE_UNKNOWN' } })
  t.match(await ask('POST', `${copilot.api}/v1/resources/vs/dev/never/rollback`, { to: 1 }), {
    status: 404,
    body: { code: 'MESH_RESOURCE_UNKNOWN' },
  })
  t.match(await copilot.get('/v1/resources?kind=vs,pods'), {
    status: 422,
    body: { code: 'MESH_KIND_UNKNOWN', path: 'kind', message: /"pods" is none of Gateway, VirtualService/ },
  })
  t.match(
    (await copilot.get(`${one}/history`)).body.items.map(({ generation }: { generation: number }) => generation),
    [3, 2, 1],
  )
  t.match(JSON.parse((await copilot.snapshot()).records.get('resource virtualservice/space/canary')!), {
    spec: { http: [{ route: [{ weight: 100 }] }] },
  })
  t.match((await remove(one)).body, { outcome: 'deleted' })
  t.match(await copilot.get(one), { status: 404, body: { code: 'MESH_RESOURCE_UNKNOWN' } })
  t.notOk((await copilot.snapshot()).records.has('resource virtualservice/space/canary'))
})

test('a pilot tells what is new of resources, and all where copilot has not what it builds on', async (t) => {
  await apply(virtualService('hello.mesh.test'))
  const { generation } = (await copilot.get(one)).body.metadata
  const key = 'virtualservice/space/canary'
  const tell = async (told: object) =>
    (await copilot.as('pilot', 'PUT', '/v1/components/pilot/p1', { version: '1', ready: true, ...told })).body.orders
  const programmed = async () => (await copilot.get(one)).body.status.conditions[1].status
  t.same(
    await tell({ resourcesVersion: 5, resourceChanges: { [key]: { generation, programmed: true } } }),
    { resources: 'all' },
    'what it builds on is not known',
  )
  t.same(await tell({ resourcesVersion: 6, resources: { [key]: { generation, programmed: false } } }), {})
  t.same([await tell({ resourcesVersion: 6 }), await programmed()], [{}, 'False'], 'a report without changes')
  t.same(
    [await tell({ resourcesVersion: 7, resourceChanges: { [key]: { generation, programmed: true } } }), await programmed()],
    [{}, 'True'],
  )
  t.same(
    [await tell({ resourcesVersion: 9, resourceChanges: { [key]: null } }), await programmed()],
    [{ resources: 'all' }, 'True'],
    'one was lost',
  )
  t.same([await tell({ resourcesVersion: 10, resources: {} }), await programmed()], [{}, 'Unknown'])
  await remove(one)
})

test('the last twenty versions are kept', async (t) => {
  for (let weight = 1; weight <= 22; weight++) await apply(virtualService('hello.mesh.test', weight))
  const generations = (await copilot.get(`${one}/history`)).body.items.map(({ generation }: { generation: number }) => generation)
  t.equal(generations.length, 20)
  t.equal(generations[0] - generations.at(-1), 19)
  await remove(one)
})

test('labels select', async (t) => {
  await apply(virtualService('hello.mesh.test', 100, { labels: { team: 'a', tier: 'web' } }), {
    ...virtualService('hello.mesh.test'),
    metadata: { name: 'other', labels: { team: 'b' } },
  })
  const names = async (selector: string) =>
    (await copilot.get(`/v1/resources?kind=vs&selector=${encodeURIComponent(selector)}`)).body.items.map(
      ({ metadata }: any) => metadata.name,
    )
  for (const [selector, expected] of [
    ['team=a', ['canary']],
    ['team==b', ['other']],
    ['team!=a', ['other']],
    ['tier', ['canary']],
    ['!tier', ['other']],
    ['team in (a,b)', ['canary', 'other']],
    ['team notin (a),!tier', ['other']],
    ['tier=web,team=b', []],
  ] as const)
    t.strictSame(await names(selector), expected, selector)
  for (const wrong of ['=a', 'team in a', 'a=b=c', 'team=a;'])
    t.match(
      await copilot.get(`/v1/resources?selector=${encodeURIComponent(wrong)}`),
      { status: 422, body: { code: 'MESH_SELECTOR_INVALID' } },
      wrong,
    )
  await remove('/v1/resources/vs/dev/other')
  await remove(one)
})

test('a version that was read is the one that is changed, or none', async (t) => {
  const put = (document: unknown, query = '') => ask('PUT', `${copilot.api}${one}${query}`, document)
  t.match(
    await put(virtualService('hello.mesh.test', 100, { resourceVersion: '7' })),
    { status: 409, body: { code: 'MESH_VERSION_CONFLICT', message: /is not there, and version 7 of it was to be changed/ } },
    'it is not there',
  )
  t.match(await put(virtualService('hello.mesh.test', 100, { resourceVersion: '0' })), { status: 200, body: { outcome: 'created' } })
  t.match(await put(virtualService('hello.mesh.test', 100, { resourceVersion: '0' })), { status: 409, body: { message: /exists already/ } })
  const {
    metadata: { resourceVersion },
  } = (await copilot.get(one)).body
  t.match(await put(virtualService('hello.mesh.test', 7, { resourceVersion })), { status: 200, body: { outcome: 'configured' } })
  t.match(await put(virtualService('hello.mesh.test', 8, { resourceVersion })), { status: 409, body: { message: /was changed meanwhile/ } })
  t.match(await put(virtualService('hello.mesh.test', 8, { resourceVersion: 'x' })), {
    status: 422,
    body: { code: 'MESH_VERSION_MALFORMED' },
  })
  const second = virtualService('hello.mesh.test', -1, { resourceVersion: 7, name: 'second' })
  t.match(
    await apply(virtualService('hello.mesh.test', 8), second),
    {
      body: {
        problems: [
          { document: 1, path: 'spec.http[0].route[0].weight' },
          { document: 1, path: 'metadata.resourceVersion', message: /^7 is no version/ },
        ],
      },
    },
    'of which document, with all else that is wrong with it',
  )
  t.match(await put(virtualService('hello.mesh.test', 100, { name: 'other' })), { status: 422, body: { code: 'MESH_IDENTITY_DIFFERS' } })

  const patch = (body: unknown, query = '') =>
    ask('PATCH', `${copilot.api}${one}${query}`, body, { headers: { 'content-type': 'application/merge-patch+json' } })
  t.match(await patch({ metadata: { labels: { team: null, a: 'b' } } }), { status: 200, body: { outcome: 'configured' } })
  t.match((await copilot.get(one)).body, { metadata: { labels: { a: 'b' } }, spec: { http: [{ route: [{ weight: 7 }] }] } })
  t.notOk((await copilot.get(one)).body.metadata.labels.team)
  t.match(await patch({ metadata: { resourceVersion, labels: { a: 'c' } } }), { status: 409 })
  t.match(await patch({ spec: { hosts: null }, metadata: { name: 'canary' } }), { status: 200 }, 'it is a delegate now')
  t.match(await patch({ spec: { http: 5 } }), { status: 422, body: { code: 'MESH_FIELD_TYPE', path: 'spec.http' } })
  const many = await Promise.all(Array.from({ length: 4 }, (_, n) => patch({ metadata: { labels: { [`l${n}`]: 'x' } } })))
  t.strictSame(
    many.map(({ status }) => status),
    [200, 200, 200, 200],
    'patches without a version do not meet',
  )
  t.match((await copilot.get(one)).body.metadata.labels, { l0: 'x', l1: 'x', l2: 'x', l3: 'x' })
  t.match(await remove(`${one}?resourceVersion=${resourceVersion}`), { status: 409 })
  t.match(await remove(`${one}?dryRun=true`), { status: 200, body: { outcome: 'deleted', before: { kind: 'VirtualService' } } })
  t.equal((await remove(one)).status, 200)
})

test('a dry run tells what would come of it, and does nothing', async (t) => {
  t.match(await dryRun(virtualService('hello.mesh.test')), {
    status: 200,
    body: { items: [{ outcome: 'created', after: { metadata: { name: 'canary' } } }] },
  })
  t.equal((await copilot.get(one)).status, 404)
  await apply(virtualService('hello.mesh.test'))
  const { body } = await dryRun(virtualService('hello.mesh.test', 5))
  t.match(body, {
    items: [
      {
        outcome: 'configured',
        before: { spec: { http: [{ route: [{ weight: 100 }] }] } },
        after: { spec: { http: [{ route: [{ weight: 5 }] }] } },
      },
    ],
  })
  t.notOk(body.items[0].after.metadata.generation)
  t.match((await dryRun(virtualService('hello.mesh.test'))).body, { items: [{ outcome: 'unchanged' }] })
  t.match(await dryRun(virtualService('hello.mesh.test', 100, { resourceVersion: '1' })), { status: 409 })
  t.match((await copilot.get(one)).body, { metadata: { generation: Number }, spec: { http: [{ route: [{ weight: 100 }] }] } })
  await remove(one)
})

test('a watch tells every change after a version, and what pilots say', async (t) => {
  const {
    body: { resourceVersion },
  } = await copilot.get('/v1/resources')
  const watch = await lines(`${copilot.api}/v1/resources?watch=true&kind=vs&namespace=dev&selector=team&resourceVersion=${resourceVersion}`)
  t.teardown(() => watch.close())
  await apply(virtualService('hello.mesh.test'))
  await apply(destinationRule('hello', 'hello', []))
  t.match(await watch.next(), {
    type: 'APPLIED',
    object: { kind: 'VirtualService', spec: { http: [{ route: [{ weight: 100 }] }] }, status: { conditions: [{}, {}, {}] } },
  })
  const { object } = await (async () => {
    await apply(virtualService('hello.mesh.test', 50))
    return watch.next()
  })()
  t.match(object, { kind: 'VirtualService', spec: { http: [{ route: [{ weight: 50 }] }] } }, 'other kinds are left out')
  await copilot.as('pilot', 'PUT', '/v1/components/pilot/p1', {
    version: '1',
    ready: true,
    resources: { 'virtualservice/space/canary': { generation: object.metadata.generation, programmed: true } },
  })
  t.match(await watch.next(), { type: 'APPLIED', object: { status: { conditions: [{}, { type: 'Programmed', status: 'True' }, {}] } } })
  await apply(virtualService('hello.mesh.test', 50, { labels: {} }))
  t.match(await watch.next(), { type: 'DELETED', object: { metadata: { name: 'canary' } } }, 'it is no longer among those')

  const resumed = await lines(
    `${copilot.api}/v1/resources?watch=true&kind=vs&namespace=dev&resourceVersion=${object.metadata.resourceVersion}`,
  )
  t.teardown(() => resumed.close())
  t.match(await resumed.next(), { type: 'APPLIED', object: { metadata: { labels: {} } } }, 'resumed after the last that came')
  await remove(one)
  const gone = await resumed.next()
  t.match(gone, { type: 'DELETED', object: { kind: 'VirtualService', metadata: { name: 'canary', namespace: 'space' } } })

  await apply(virtualService('hello.mesh.test'))
  const listed = await copilot.get('/v1/resources?kind=vs&namespace=dev')
  const [{ metadata }] = listed.body.items
  await remove('/v1/resources/dr/dev/hello')
  await copilot.as('pilot', 'PUT', '/v1/components/pilot/p1', {
    version: '1',
    ready: true,
    resources: { 'virtualservice/space/canary': { generation: metadata.generation, programmed: true } },
  })
  const late = await lines(
    `${copilot.api}/v1/resources?watch=true&kind=vs&namespace=dev&resourceVersion=${listed.body.resourceVersion}`,
    true,
  )
  t.teardown(() => late.close())
  t.match(
    await late.next(),
    { type: 'APPLIED', object: { status: { conditions: [{}, { type: 'Programmed', status: 'True' }, {}] } } },
    'what a pilot has said between the list and the watch',
  )
  t.match(
    await late.next(),
    { type: 'BOOKMARK', object: { metadata: { resourceVersion: String(Number(listed.body.resourceVersion) + 1) } } },
    'of a resource of an older version, so that the newest is told behind it',
  )
  await remove(one)
  t.match(await copilot.get('/v1/resources?watch=true&resourceVersion=99999'), { status: 410, body: { code: 'MESH_VERSION_FORGOTTEN' } })
})

test('all documents or none, every error at once, with its path', async (t) => {
  const wrong = { ...virtualService('hello.mesh.test', -1), metadata: { name: 'wrong' } } as any
  wrong.spec.http[0].timeout = '5'
  const { status, body } = await apply(
    virtualService('hello.mesh.test', 1, { name: 'right' }),
    wrong,
    rule('third', ['foreign.mesh.test'], [{ directResponse: { status: 200 } }]),
  )
  t.equal(status, 422)
  t.match(body.problems.map(({ path }: { path: string }) => path).sort(), ['spec.http[0].route[0].weight', 'spec.http[0].timeout'])
  t.equal((await copilot.get('/v1/resources')).body.items.length, 0)
  t.match(await apply(virtualService('hello.mesh.test'), virtualService('hello.mesh.test', 5)), {
    status: 422,
    body: { code: 'MESH_NAME_TWICE' },
  })
})

test('private subnets that the operator allows may stand in a ServiceEntry', async (t) => {
  const open = await Copilot.start(t, { egressAllowed: ['10.1.0.0/16'] })
  await open.put('e1', hello)
  const entry = (address: string) => ({
    apiVersion: 'networking.istio.io/v1',
    kind: 'ServiceEntry',
    metadata: { name: 'db' },
    spec: { hosts: ['db.test'], resolution: 'STATIC', ports: [{ number: 80, name: 'http', protocol: 'HTTP' }], endpoints: [{ address }] },
  })
  const put = (address: string) => ask('POST', `${open.api}/v1/resources/apply`, { documents: [entry(address)], namespace: 'dev' })
  t.match(await put('10.1.2.3'), { status: 200 })
  t.match(await put('10.2.0.1'), { status: 422, body: { message: /private address/ } })
})

test('a trace tells which rule a request meets, and why none before it', async (t) => {
  const http = [
    { match: [{ headers: { 'user-agent': { prefix: 'Chrome' } } }], directResponse: { status: 403 } },
    { route: [{ destination: { host: 'hello' } }] },
  ]
  t.match(await apply(rule('traced', ['hello.mesh.test'], http)), { status: 200 })
  const trace = async (headers: string[]) =>
    (
      await copilot.get(
        `/v1/trace?${new URLSearchParams([['host', 'hello.mesh.test'], ...headers.map((header): [string, string] => ['header', header])]).toString()}`,
      )
    ).body
  t.match(await trace([]), {
    rules: [
      { rule: 'space/traced http[0]', matched: false, why: /header user-agent is not there/ },
      { resource: 'virtualservice/space/traced', matched: true },
    ],
    outcome: { targets: [{ host: 'hello', share: 1 }] },
  })
  t.match(await trace(['X-Other: 1', 'User-Agent: Chrome 1']), {
    status: 403,
    rules: [{ matched: true }],
    why: /space\/traced http\[0\] answers by itself/,
  })
  t.match(await trace(['User-Agent: Chrome 1']), { status: 403 })
  const split = (...hosts: string[]) => [
    {
      route: hosts
        .map((host) => ({ destination: { host, subset: 'v9' }, weight: 1 }))
        .concat(hosts.length > 1 ? [{ destination: { host: 'hello' } as never, weight: 1 }] : []),
    },
  ]
  t.match(await apply(rule('traced', ['hello.mesh.test'], split('hello'))), { status: 200 })
  t.match(await trace([]), { status: 503, why: /sends to hello \(subset v9\): no DestinationRule gives hello a subset "v9"/ })
  t.match(await apply(rule('traced', ['hello.mesh.test'], split('hello', 'nobody'))), { status: 200 })
  t.match(await trace([]), { status: undefined, outcome: { targets: { length: 3 } } }, 'one of them is there')
  await remove('/v1/resources/vs/dev/traced')
  t.notOk((await trace([])).rules)
})

test('a trace tells of limits, redirects to HTTPS and hosts outside', async (t) => {
  const trace = async (query: string) => (await copilot.get(`/v1/trace?${query}`)).body
  const limit = {
    apiVersion: 'mesh.cloudfoundry.org/v1',
    kind: 'RateLimit',
    metadata: { name: 'limits' },
    spec: {
      hosts: ['hello.mesh.test'],
      match: [{ uri: { prefix: '/buy' } }],
      limits: [
        { per: 'client-ip', requests: 10, unit: 'minute', burst: 20 },
        { per: 'header:X-Key', requests: 1, unit: 'day' },
      ],
    },
  }
  t.match(await apply(limit), { status: 200 })
  t.match(await trace('host=hello.mesh.test'), {
    limits: [
      {
        limit: 'space/limits limits[0]',
        resource: 'ratelimit/space/limits',
        counts: false,
        why: /the path is "\/", not what begins with "\/buy"/,
      },
      { counts: false },
    ],
  })
  t.match(await trace('host=hello.mesh.test&path=/buy&header=x-key:1'), {
    limits: [
      { counts: true, why: 'it allows 10 a minute for each client, 20 at once, by each router' },
      { counts: true, why: /1 a day for each X-Key/ },
    ],
  })
  t.match(await trace('host=hello.mesh.test&path=/buy'), {
    limits: [{ counts: true }, { counts: false, why: 'header X-Key is not there' }],
  })
  await remove('/v1/resources/ratelimit/dev/limits')

  const gateway = {
    apiVersion: 'networking.istio.io/v1',
    kind: 'Gateway',
    metadata: { name: 'secure' },
    spec: { servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['hello.mesh.test'], tls: { httpsRedirect: true } }] },
  }
  t.match(await apply(gateway), { status: 200 })
  t.match(await trace('host=hello.mesh.test'), { status: 301, why: /httpsRedirect/ })
  t.not((await trace('host=hello.mesh.test&scheme=https')).status, 301)
  await remove('/v1/resources/gateway/dev/secure')

  const entry = {
    apiVersion: 'networking.istio.io/v1',
    kind: 'ServiceEntry',
    metadata: { name: 'pay' },
    spec: { hosts: ['pay.example.com'], resolution: 'DNS', ports: [{ number: 443, name: 'https', protocol: 'HTTPS' }] },
  }
  t.match(await apply(entry), { status: 200 })
  t.match(await trace('host=pay.example.com'), { status: 404 })
  t.match(await trace('host=pay.example.com&exposure=int'), {
    rules: [{ rule: 'space/pay', matched: true }],
    outcome: { targets: [{ host: 'pay.example.com' }] },
    why: /a ServiceEntry names it/,
  })
  t.match(
    await apply(
      rule(
        'paying',
        ['pay.example.com'],
        [
          { match: [{ uri: { prefix: '/v2' } }], directResponse: { status: 410 } },
          { route: [{ destination: { host: 'pay.example.com' } }] },
        ],
      ),
    ),
    { status: 200 },
  )
  t.match(await trace('host=pay.example.com&exposure=int&path=/v2/x'), {
    status: 410,
    rules: [{ rule: 'space/paying http[0]', matched: true }],
  })
  await remove('/v1/resources/vs/dev/paying')
  await remove('/v1/resources/se/dev/pay')
})

test("another space's host is refused, the operator's resources reach all", async (t) => {
  t.match(await apply(virtualService('foreign.mesh.test')), { status: 403, body: { code: 'MESH_HOST_NOT_OWNED', path: 'spec.hosts[0]' } })
  t.match(
    await apply({
      apiVersion: 'mesh.cloudfoundry.org/v1',
      kind: 'RateLimit',
      metadata: { name: 'r' },
      spec: { hosts: ['foreign.mesh.test'], limits: [{ per: 'route', requests: 1, unit: 'second' }] },
    }),
    { status: 403 },
  )
  t.match(await apply(virtualService('foreign.mesh.test', 100, { namespace: 'mesh-system' })), { status: 200 })
  await remove('/v1/resources/vs/mesh-system/canary')
})

test('what leads nowhere or meets other resources is told when it is applied, and as long as it is so', async (t) => {
  const warnings = async (document: object) =>
    (await dryRun(document)).body.items[0].warnings
      .map(({ code, path }: any) => `${code} ${path}`)
      .filter((text: string) => !text.startsWith('MESH_FIELD_PLANNED'))
  t.strictSame(await warnings(rule('a', ['hello.mesh.test'], [{ route: [{ destination: { host: 'hello' } }] }])), [])
  t.strictSame(
    await warnings(
      rule('a', ['hello.mesh.test'], [{ route: [{ destination: { host: 'hello', subset: 'v2' } }] }], { gateways: ['shop', 'mesh'] }),
    ),
    ['MESH_GATEWAY_UNKNOWN spec.gateways[0]', 'MESH_SUBSET_UNKNOWN spec.http[0].route[0].destination.subset'],
  )
  t.strictSame(await warnings(rule('a', ['hello.mesh.test'], [{ route: [{ destination: { host: 'nobody' } }] }])), [
    'MESH_SERVICE_UNKNOWN spec.http[0].route[0].destination.host',
  ])
  t.strictSame(await warnings(rule('a', ['later.mesh.test'], [{ route: [{ destination: { host: 'hello' } }] }])), [
    'MESH_HOST_UNKNOWN spec.hosts[0]',
  ])
  t.strictSame(await warnings(destinationRule('d', 'nobody', [])), ['MESH_SERVICE_UNKNOWN spec.host'])
  t.strictSame(
    await warnings(
      rule(
        'a',
        ['hello.mesh.test'],
        [{ match: [{ sourceLabels: { team: 'red' } }, { sourceNamespace: 'dev' }], route: [{ destination: { host: 'hello' } }] }],
      ),
    ),
    ['MESH_CALLERS_UNKNOWN spec.http[0].match[0].sourceLabels', 'MESH_CALLERS_UNKNOWN spec.http[0].match[1].sourceNamespace'],
  )
  t.match((await dryRun(destinationRule('d', 'hello', [{ name: 'v2', labels: { version: 'v2' } }]))).body.items[0].warnings, [
    { code: 'MESH_SUBSET_EMPTY', path: 'spec.subsets[0].labels', message: /no app of hello has version=v2[^]*there are version=v1/ },
  ])
  t.strictSame(
    await warnings({
      apiVersion: 'networking.istio.io/v1',
      kind: 'Gateway',
      metadata: { name: 'shop' },
      spec: {
        servers: [
          {
            port: { number: 443, name: 'https', protocol: 'HTTPS' },
            hosts: ['hello.mesh.test'],
            tls: { mode: 'SIMPLE', credentialName: 'shop' },
          },
        ],
      },
    }),
    ['MESH_SECRET_UNKNOWN spec.servers[0].tls.credentialName'],
  )
  const port = { port: { number: 8443 }, tls: { mode: 'MUTUAL', credentialName: 'shop' } }
  t.strictSame(
    await warnings({
      ...destinationRule('partner', 'hello', []),
      spec: { host: 'partner.example.com', trafficPolicy: { tls: { mode: 'SIMPLE', credentialName: 'shop' }, portLevelSettings: [port] } },
    }),
    [
      'MESH_SERVICE_UNKNOWN spec.host',
      'MESH_SECRET_UNKNOWN spec.trafficPolicy.tls.credentialName',
      'MESH_SECRET_UNKNOWN spec.trafficPolicy.portLevelSettings[0].tls.credentialName',
    ],
  )

  // Applied together, they find each other.
  const both = await apply(
    destinationRule('d', 'hello', [{ name: 'v1', labels: { version: 'v1' } }]),
    rule('a', ['hello.mesh.test'], [{ match: [{ uri: { prefix: '/' } }], route: [{ destination: { host: 'hello', subset: 'v1' } }] }]),
  )
  t.strictSame(
    both.body.items.flatMap((item: any) => item.warnings.filter(({ code }: any) => code !== 'MESH_FIELD_PLANNED')),
    [],
  )
  // A second one for the same host is merged behind the first, which takes all of it.
  const second = rule(
    'b',
    ['hello.mesh.test'],
    [{ match: [{ uri: { prefix: '/b' } }], route: [{ destination: { host: 'hello.dev.acme' } }] }],
  )
  t.strictSame(await warnings(second), ['MESH_HOST_MERGED spec.hosts[0]', 'MESH_MATCH_SHADOWED spec.http[0].match[0]'])
  await apply(second)
  t.match((await copilot.get('/v1/resources/vs/dev/b')).body.status.warnings, [
    { code: 'MESH_HOST_MERGED', message: /a, then this one/ },
    { message: /a http\[0\] matches all of it/ },
  ])
  t.match((await copilot.get('/v1/resources/vs/dev/a')).body.status.warnings, [{ code: 'MESH_HOST_MERGED' }])
  await copilot.change('e1', [app('hello-guid', 'space', 'hello', { version: 'v3' })])
  t.match((await copilot.get('/v1/resources/dr/dev/d')).body.status.warnings, [{ code: 'MESH_SUBSET_EMPTY' }], 'as labels change')
  await copilot.change('e1', [hello[2]])
  for (const path of ['dr/dev/d', 'vs/dev/a', 'vs/dev/b']) await remove(`/v1/resources/${path}`)
})

test('a host that moves to another space leaves the rules, and they say so', async (t) => {
  await copilot.change('e1', [app('m', 'space'), process('m-p', 'm'), route('moving.mesh.test', 'm', ['m-p'])])
  await apply(virtualService('moving.mesh.test'))
  const degraded = async () => (await copilot.get(one)).body.status.conditions[2]
  t.match(await degraded(), { type: 'Degraded', status: 'False' })
  await copilot.change('e1', [route('moving.mesh.test', 'm', ['m-p'], { space: 'space2' })])
  t.match(await degraded(), { status: 'True', reason: 'HostMoved', message: /moving\.mesh\.test is a route of another space now/ })
  await copilot.change('e1', [{ kind: 'route', key: 'pub/moving.mesh.test', value: null }])
  t.match(await degraded(), { status: 'False' }, 'with no route the rules wait')
  t.match((await copilot.get(one)).body.status.warnings, [{ code: 'MESH_HOST_UNKNOWN' }])
  // A renamed space or organization changes nothing: resources are kept by guid.
  await copilot.change('e1', [space('space', 'org', 'renamed')])
  t.equal((await copilot.get('/v1/resources/vs/renamed/canary')).status, 200)
  await copilot.change('e1', [space('space', 'org', 'dev')])
  await remove(one)
})

test('a frozen configuration is changed by nobody', async (t) => {
  await apply(virtualService('hello.mesh.test'))
  const freeze = (method: 'PUT' | 'DELETE') => ask(method, `${copilot.api}/v1/switches/freeze`)
  t.match(await freeze('PUT'), { status: 200, body: { frozen: { author: 'operator' } } })
  t.match(await apply(virtualService('hello.mesh.test', 5)), { status: 423, body: { code: 'MESH_FROZEN', message: /operator has frozen/ } })
  t.match(await remove(one), { status: 423 })
  const pair = issueCertificate(createAuthority('ca'), { commonName: 'a.test', dns: ['a.test'] })
  t.match(await ask('PUT', `${copilot.api}/v1/secrets/dev/s`, { certificate: pair.certificate, key: pair.key }), { status: 423 })
  t.match(
    await dryRun(virtualService('hello.mesh.test', 5)),
    { status: 200, body: { items: [{ outcome: 'configured', warnings: [{ code: 'MESH_FROZEN', message: /operator has frozen/ }] }] } },
    'a dry run changes nothing, and tells of it',
  )
  t.match(await ask('DELETE', `${copilot.api}${one}?dryRun=true`), {
    status: 200,
    body: { outcome: 'deleted', warnings: [{ code: 'MESH_FROZEN' }] },
  })
  t.strictSame((await dryRun(virtualService('hello.mesh.test'))).body.items[0].warnings, [], 'what would change nothing is not refused')
  t.match(await copilot.change('e1', [route('more.mesh.test', 'hello-guid', ['hello-p'])]), { status: 200 }, 'the platform goes on')
  t.match((await copilot.get('/v1/status')).body, { switches: { frozen: { author: 'operator' } } })
  await copilot.kill()
  await copilot.start({ encryption: { keys: [{ name: 'k', secret: 'a random text of enough letters' }] } })
  t.match(await apply(virtualService('hello.mesh.test', 5)), { status: 423 }, 'also after a restart')
  t.notOk((await freeze('DELETE')).body.frozen)
  t.match(await apply(virtualService('hello.mesh.test', 5)), { status: 200 })
})

test("an ignored space's rules are kept, and told to no pilot", async (t) => {
  const told = async () => (await copilot.snapshot()).records.has('resource virtualservice/space/canary')
  t.ok(await told())
  t.match(await ask('PUT', `${copilot.api}/v1/switches/ignored/dev`), {
    status: 200,
    body: { ignored: [{ space: { guid: 'space', name: 'dev' } }] },
  })
  t.notOk(await told())
  t.match((await copilot.get(one)).body.status.conditions, [
    {},
    { type: 'Programmed', status: 'False', reason: 'Ignored' },
    { type: 'Degraded', status: 'True', reason: 'Ignored' },
  ])
  t.match(await apply(virtualService('hello.mesh.test', 6)), { status: 200 }, 'the space goes on writing')
  t.notOk(await told())
  t.match((await copilot.get('/v1/trace?host=hello.mesh.test')).body, {
    why: /most specific route that exists; an operator has the rules of its space ignored$/,
  })
  t.match(await ask('DELETE', `${copilot.api}/v1/switches/ignored/dev`), { status: 200, body: { ignored: [] } })
  t.match((await copilot.get('/v1/trace?host=hello.mesh.test')).body, { why: /most specific route that exists(?!; an operator)/ })
  t.match((await copilot.snapshot()).records.get('resource virtualservice/space/canary'), '"weight":6', 'the newest is in force')
  t.match(copilot.output, /"action":"ignored","subject":"space\/space"/)
})

test('what a space leaves behind is kept for a while, and then removed', async (t) => {
  const short = await Copilot.start(t, {
    orphanDays: 0.00001,
    encryption: { keys: [{ name: 'k', secret: 'a random text of enough letters' }] },
  })
  await short.put('e1', [...hello, space('space2', 'org', 'prod')])
  await ask('POST', `${short.api}/v1/resources/apply`, {
    documents: [virtualService('hello.mesh.test'), virtualService('hello.mesh.test', 1, { namespace: 'mesh-system' })],
    namespace: 'dev',
  })
  const pair = issueCertificate(createAuthority('ca'), { commonName: 'a.test', dns: ['a.test'] })
  await ask('PUT', `${short.api}/v1/secrets/dev/s`, { certificate: pair.certificate, key: pair.key })
  await short.change('e1', [{ kind: 'space', key: 'space', value: null }])
  await eventually(async () => !(await short.snapshot()).records.has('resource virtualservice/space/canary'))
  await eventually(() =>
    /"author":"copilot","action":"purged","subject":"virtualservice\/space\/canary"[^]*"subject":"secret\/space\/s"/.test(short.output),
  )
  t.strictSame(
    (await short.get('/v1/resources')).body.items.map(({ metadata }: any) => metadata.namespace),
    ['mesh-system'],
  )
  t.strictSame((await short.get('/v1/secrets')).body.items, [])

  const patient = await Copilot.start(t)
  await patient.put('e1', [...hello, space('space2', 'org', 'prod')])
  await ask('POST', `${patient.api}/v1/resources/apply`, { documents: [virtualService('hello.mesh.test')], namespace: 'dev' })
  await patient.change('e1', [{ kind: 'space', key: 'space', value: null }])
  t.match((await patient.get('/v1/resources')).body.items, [
    { status: { conditions: [{}, {}, { type: 'Degraded', status: 'True', reason: 'SpaceGone' }] } },
  ])
})

test('a space has limits on the number of its resources, on regular expressions and on headers', async (t) => {
  const limited = await Copilot.start(t, { limits: { resources: 1, regexLength: 10, headerBytes: 20 } })
  await limited.put('e1', hello)
  const put = (document: object) => ask('POST', `${limited.api}/v1/resources/apply`, { documents: [document], namespace: 'dev' })
  t.match(
    await put(
      rule(
        'a',
        ['hello.mesh.test'],
        [
          {
            match: [{ uri: { regex: '/very/long/expression' } }],
            route: [{ destination: { host: 'hello' }, headers: { request: { set: { name: 'a long value of it' } } } }],
          },
        ],
      ),
    ),
    {
      status: 422,
      body: {
        problems: [
          { path: 'spec.http[0].match[0].uri.regex' },
          { path: 'spec.http[0].route[0].headers', message: /adds or sets 22 bytes of headers; 20 are the most/ },
        ],
      },
    },
  )
  t.equal((await put(virtualService('hello.mesh.test'))).status, 200)
  t.match(await put(rule('b', ['hello.mesh.test'], [{ route: [{ destination: { host: 'hello' } }] }])), {
    status: 422,
    body: { code: 'MESH_TOO_MANY_RESOURCES' },
  })
  const many = Array.from({ length: 1001 }, (_one, position) => destinationRule(`d${position}`, 'hello', []))
  t.match(await ask('POST', `${limited.api}/v1/resources/apply`, { documents: many, namespace: 'dev' }), {
    status: 422,
    body: {
      code: 'MESH_TOO_MANY_DOCUMENTS',
      message: /1001 documents are too many for one request, which can have 1000; nothing was applied/,
    },
  })
})

test('a source cannot write resources', async (t) => {
  t.match(await copilot.change('e1', [{ kind: 'resource', key: 'virtualservice/space/x', value: null }]), { status: 422 })
})

/** A reader of an NDJSON stream that passes bookmarks by, unless they are asked for. */
async function lines(url: string, bookmarks = false): Promise<{ next: () => Promise<any>; close: () => void }> {
  const { statusCode, body } = await request(url)
  if (statusCode !== 200) throw new Error(await body.text())
  const chunks = body.setEncoding('utf8')[Symbol.asyncIterator]()
  let rest = ''
  const next = async (): Promise<any> => {
    for (;;) {
      const end = rest.indexOf('\n')
      if (end >= 0) {
        const line = JSON.parse(rest.slice(0, end))
        rest = rest.slice(end + 1)
        if (bookmarks || line.type !== 'BOOKMARK') return line
      } else {
        const { value, done } = await chunks.next()
        if (done) throw new Error('the watch has ended')
        rest += value
      }
    }
  }
  return { next, close: () => void body.on('error', () => {}).destroy() }
}
