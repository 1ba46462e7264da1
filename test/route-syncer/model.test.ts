import { test } from 'tap'
import { actual, desired, TestPlatform } from './support/platform.ts'

const tag = (index: number, epoch = 'e') => ({ epoch, index })

test('BBS alone serves a route at once, with the names it carries', (t) => {
  const platform = new TestPlatform()
  platform.hear({ kind: 'desired', lrp: desired({ process: 'p', app: 'a', hosts: ['Hello.Mesh/api/'] }) })
  platform.hear({ kind: 'actual', lrp: actual({ process: 'p', guid: 'i' }) })
  t.same(platform.answer('pub/hello.mesh/api'), ['a/web:8080 p'])
  t.same(platform.published.get('route', 'pub/hello.mesh/api'), {
    host: 'hello.mesh',
    path: '/api',
    exposure: 'pub',
    space: 'space',
    labels: {},
    options: {},
    destinations: [{ app: 'a', type: 'web', port: 8080, protocol: 'http1', processes: ['p'] }],
  })
  t.same(platform.published.get('instance', 'i'), {
    process: 'p',
    index: 0,
    address: '10.0.0.1',
    ports: [{ app: 8080, plain: 61001, tls: 61002 }],
    zone: 'z1',
    since: '1700000000000000000',
  })
  t.same(platform.published.get('process', 'p'), { app: 'a', type: 'web', instances: 1 })
  t.same(platform.published.get('app', 'a'), { name: 'name of a', space: 'space', labels: {}, annotations: {} })
  t.same(platform.published.get('space', 'space'), { name: 'name of space', organization: 'org' })
  t.same(platform.published.get('organization', 'org'), { name: 'name of org' })
  t.end()
})

test('Cloud Controller adds guid, labels, weights, options and names', async (t) => {
  const platform = new TestPlatform()
  platform.hear({
    kind: 'desired',
    lrp: desired({
      process: 'p',
      app: 'a',
      routes: {
        'cf-router': JSON.stringify([
          { hostnames: ['h.mesh'], port: 8080, options: { loadbalancing: 'round-robin', route_policy_scope: 'any' } },
        ]),
      },
    }),
  })
  platform.cc.app('a', { labels: { version: 'v2' } })
  platform.cc.route({
    guid: 'r',
    url: 'h.mesh',
    destinations: [
      { app: 'a', weight: 90 },
      { app: 'b', weight: 10, protocol: 'http2' },
    ],
    labels: { tier: 'gold' },
    options: { loadbalancing: 'least-connection' },
  })
  await platform.readAll()
  t.match(platform.published.get('route', 'pub/h.mesh'), {
    guid: 'r',
    labels: { tier: 'gold' },
    options: { loadbalancing: 'least-connection', route_policy_scope: 'any' },
    destinations: [
      { app: 'a', weight: 90, processes: ['p'] },
      { app: 'b', weight: 10, protocol: 'http2', processes: [] },
    ],
  })
  t.match(platform.published.get('app', 'a'), { labels: { version: 'v2' } })
})

test('a stopped app keeps its route, an unmapped or deleted one loses it', async (t) => {
  const platform = new TestPlatform()
  platform.cc.app('a')
  platform.cc.route({ guid: 'r', url: 'h.mesh', destinations: [{ app: 'a' }] })
  await platform.readAll()
  platform.hear({ kind: 'desired', lrp: desired({ process: 'p', app: 'a', hosts: ['h.mesh'] }) })
  t.same(platform.answer('pub/h.mesh'), ['a/web:8080 p'])
  platform.hear({ kind: 'desired-removed', lrp: desired({ process: 'p', app: 'a', hosts: ['h.mesh'] }) })
  t.same(platform.answer('pub/h.mesh'), ['a/web:8080 '], 'stopped')
  platform.cc.route({ guid: 'r', url: 'h.mesh' }, false)
  platform.cc.audit('audit.app.unmap-route', 'a', { route_guid: 'r' })
  await platform.readChanges()
  t.equal(platform.answer('pub/h.mesh'), undefined, 'unmapped')
  platform.cc.route({ guid: 'r', url: 'h.mesh', destinations: [{ app: 'a' }] })
  await platform.readChanges()
  t.same(platform.answer('pub/h.mesh'), ['a/web:8080 '], 'mapped again')
  platform.cc.remove('/v3/routes', 'r')
  platform.cc.audit('audit.route.delete-request', 'r')
  await platform.readChanges()
  t.equal(platform.answer('pub/h.mesh'), undefined, 'deleted')
})

test('unmapping a running app is effective before Cloud Controller has told, and stays so when the app stops', async (t) => {
  const platform = new TestPlatform()
  platform.cc.app('a')
  platform.cc.route({ guid: 'r', url: 'h.mesh', destinations: [{ app: 'a' }] })
  await platform.readAll()
  platform.hear({ kind: 'desired', lrp: desired({ process: 'p', app: 'a', hosts: ['h.mesh'] }) })
  platform.hear({ kind: 'desired', lrp: desired({ process: 'p', app: 'a', tag: tag(1) }) })
  t.equal(platform.answer('pub/h.mesh'), undefined)
  platform.hear({ kind: 'desired-removed', lrp: desired({ process: 'p', app: 'a', tag: tag(1) }) })
  t.equal(platform.answer('pub/h.mesh'), undefined)
})

test('deleting an app or a space takes its routes along', async (t) => {
  const platform = new TestPlatform()
  platform.cc.app('a')
  platform.cc.route({ guid: 'r', url: 'h.mesh', destinations: [{ app: 'a' }] })
  platform.cc.space('other')
  platform.cc.route({ guid: 's', url: 's.mesh', space: 'other', destinations: [{ app: 'b' }] })
  await platform.readAll()
  platform.cc.route({ guid: 'r', url: 'h.mesh' }, false)
  platform.cc.remove('/v3/apps', 'a')
  platform.cc.audit('audit.app.delete-request', 'a')
  platform.cc.remove('/v3/spaces', 'other')
  platform.cc.remove('/v3/routes', 's')
  platform.cc.audit('audit.space.delete-request', 'other')
  await platform.readChanges()
  t.equal(platform.answer('pub/h.mesh'), undefined)
  t.equal(platform.answer('pub/s.mesh'), undefined)
  t.equal(platform.published.get('app', 'a'), undefined)
  t.equal(platform.published.get('space', 'other'), undefined)
})

test('a space that falls between two pages of a list stays', async (t) => {
  const platform = new TestPlatform()
  for (const name of ['one', 'two']) platform.cc.space(name)
  await platform.readAll()
  const spaces = platform.cc.resources.get('/v3/spaces')!
  const two = spaces.get('two')!
  spaces.delete('two')
  const passed: string[] = []
  platform.pause = async () => {
    // Audit events, organizations, spaces.
    if (passed.push('list') === 3) spaces.set('two', two)
  }
  platform.changes.length = 0
  await platform.readAll()
  t.same(platform.changes, [])
  spaces.delete('two')
  await platform.readAll()
  t.same(platform.published.get('space', 'two'), undefined)
})

test('what was wanted of an app goes with it', async (t) => {
  const platform = new TestPlatform()
  platform.cc.app('a', { instances: 2 })
  await platform.readAll()
  t.equal(platform.model.cloud.wanted('a', 'web'), 2)
  platform.cc.remove('/v3/apps', 'a')
  platform.cc.remove('/v3/processes', 'process of a')
  platform.cc.audit('audit.app.delete-request', 'a')
  await platform.readChanges()
  t.equal(platform.model.cloud.wanted('a', 'web'), 0)
})

test('a stable instance is RUNNING and routable, in place, and of a wanted process', (t) => {
  const platform = new TestPlatform()
  const served = () => [...platform.published.all()].flatMap(({ kind, key }) => (kind === 'instance' ? [key] : []))
  platform.hear({ kind: 'actual', lrp: actual({ process: 'p', guid: 'i' }) })
  t.same(served(), [], 'before its process is known')
  platform.hear({ kind: 'desired', lrp: desired({ process: 'p', instances: 2 }) })
  t.same(served(), ['i'])
  platform.hear({ kind: 'actual', lrp: actual({ process: 'p', index: 1, guid: 'j', state: 'CLAIMED' }) })
  platform.hear({ kind: 'actual', lrp: actual({ process: 'p', index: 1, guid: 'j', routable: false, tag: tag(1, 'j') }) })
  t.same(served(), ['i'], 'not ready')
  platform.hear({ kind: 'actual', lrp: actual({ process: 'p', index: 1, guid: 'j', routable: true, tag: tag(2, 'j') }) })
  t.same(served(), ['i', 'j'])
  platform.hear({ kind: 'desired', lrp: desired({ process: 'p', instances: 1, tag: tag(1) }) })
  t.same(served(), ['i'], 'scaled down')
  platform.hear({ kind: 'desired', lrp: desired({ process: 'p', instances: 2, tag: tag(0) }) })
  t.same(served(), ['i'], 'by older news')
  platform.hear({ kind: 'actual', lrp: actual({ process: 'p', guid: 'i', state: 'CRASHED', tag: tag(1, 'i') }) })
  t.same(served(), [], 'crashed')
  t.end()
})

test('an instance keeps its place while its cell is evacuated or suspect', (t) => {
  const platform = new TestPlatform()
  const [ordinary, evacuating, suspect] = [0, 1, 2].map((presence, index) =>
    actual({ process: 'p', guid: 'i', presence, tag: tag(index, presence === 1 ? 'f' : 'e') }),
  )
  const served = () => platform.published.get('instance', 'i') !== undefined
  platform.hear({ kind: 'desired', lrp: desired({ process: 'p' }) })
  platform.hear({ kind: 'actual', lrp: ordinary! })
  platform.hear({ kind: 'actual', lrp: evacuating!, before: ordinary! })
  t.ok(served(), 'evacuating')
  platform.hear({ kind: 'actual-removed', lrp: ordinary! })
  t.ok(served(), 'the ordinary row went, the container is still there')
  platform.hear({ kind: 'actual-removed', lrp: evacuating! })
  t.notOk(served())
  platform.hear({ kind: 'actual', lrp: suspect! })
  t.ok(served(), 'suspect')
  t.end()
})

test('instances are reached as BBS prefers', (t) => {
  const platform = new TestPlatform()
  platform.hear({ kind: 'desired', lrp: desired({ process: 'p', instances: 3 }) })
  for (const [index, guid] of ['unknown', 'instance', 'host'].entries())
    platform.hear({ kind: 'actual', lrp: actual({ process: 'p', index, guid, preferred: index }) })
  const reach = (guid: string) => platform.published.get('instance', guid)
  t.match(reach('unknown'), { address: '10.0.0.1', ports: [{ app: 8080, plain: 61001, tls: 61002 }] })
  t.match(reach('instance'), { address: '10.255.0.1', ports: [{ app: 8080, plain: 8080, tls: 61443 }] })
  t.match(reach('host'), { address: '10.0.0.1' })
  t.end()
})

test('routes that make no sense leave what was there', async (t) => {
  const platform = new TestPlatform()
  platform.cc.app('a')
  platform.cc.route({ guid: 'r', url: 'c.mesh', destinations: [{ app: 'a' }] })
  await platform.readAll()
  platform.hear({ kind: 'desired', lrp: desired({ process: 'p', app: 'a', hosts: ['c.mesh', 'h.mesh'] }) })
  for (const [index, json] of ['{', '7', '[{"hostnames":"h.mesh","port":8080}]', '[{"port":99999999}]'].entries()) {
    platform.hear({
      kind: 'desired',
      lrp: desired({ process: 'p', app: 'a', routes: { 'cf-router': json }, tag: tag(index + 1), instances: index + 2 }),
    })
    t.same(platform.answer('pub/h.mesh'), ['a/web:8080 p'], json)
    t.equal(platform.published.get('process', 'p')?.instances, index + 2, 'what else it says counts')
  }
  platform.hear({ kind: 'desired', lrp: desired({ process: 'q', app: 'a', routes: { 'cf-router': '{' } }) })
  t.same(platform.answer('pub/c.mesh'), ['a/web:8080 p+q'], 'of a new process Cloud Controller knows')
  platform.hear({ kind: 'desired', lrp: desired({ process: 'p', app: 'a', routes: { 'cf-router': 'null' }, tag: tag(9) }) })
  t.equal(platform.answer('pub/h.mesh'), undefined)
})

test('only mesh and internal domains are served, internal ones never to the public', async (t) => {
  const platform = new TestPlatform({ mirror: { from: 'apps', to: 'mesh' } })
  platform.hear({
    kind: 'desired',
    lrp: desired({
      process: 'p',
      app: 'a',
      hosts: ['a.mesh', 'b.deep.mesh', 'a.apps', 'a.deep.apps', 'a.elsewhere', 'xmesh', 'a.internal', '*.mesh', 'tcp.mesh:1024'],
      internal: ['b.internal', 'c.elsewhere', 'd.mesh'],
    }),
  })
  platform.cc.domain('secret.mesh', true)
  platform.cc.route({ guid: 'r', url: 's.secret.mesh', domain: 'secret.mesh', destinations: [{ app: 'a' }] })
  await platform.readAll()
  platform.hear({ kind: 'desired', lrp: desired({ process: 'q', app: 'a', hosts: ['s.secret.mesh'] }) })
  const keys = () => [...platform.published.all()].flatMap(({ kind, key }) => (kind === 'route' ? [key] : [])).sort()
  t.same(keys(), ['int/s.secret.mesh'], 'those that Cloud Controller does not have are gone')
  t.end()
})

test('hosts of each kind of domain find their listener', (t) => {
  const platform = new TestPlatform({ mirror: { from: 'apps', to: 'mesh' } })
  platform.hear({
    kind: 'desired',
    lrp: desired({
      process: 'p',
      app: 'a',
      hosts: [
        'a.mesh',
        'b.deep.mesh',
        'm.apps',
        'a.deep.apps',
        'a.elsewhere',
        'xmesh',
        'a.internal',
        '*.mesh',
        'tcp.mesh:1024',
        'bad host.mesh',
      ],
      internal: ['b.internal', 'c.elsewhere', 'd.mesh'],
    }),
  })
  const keys = [...platform.published.all()].flatMap(({ kind, key }) => (kind === 'route' ? [key] : []))
  t.same(keys.sort(), ['int/a.internal', 'int/b.internal', 'int/d.mesh', 'pub/*.mesh', 'pub/a.mesh', 'pub/b.deep.mesh', 'pub/m.mesh'])
  t.equal(platform.published.get('route', 'pub/m.mesh')?.mirrors, 'm.apps')
  t.end()
})

test('a mirrored host belongs to its route, a later one of another space is a conflict', async (t) => {
  const platform = new TestPlatform({ mirror: { from: 'apps', to: 'mesh' } })
  const { cc } = platform
  cc.route({ guid: 'mirrored', url: 'h.apps', space: 'one', domain: 'apps', destinations: [{ app: 'a' }], created: '2026-01-01T00:00:00Z' })
  cc.route({ guid: 'taker', url: 'h.mesh/login', space: 'two', destinations: [{ app: 'b' }], created: '2026-01-02T00:00:00Z' })
  await platform.readAll()
  t.same(platform.answer('pub/h.mesh'), ['a/web:8080 '])
  t.equal(platform.answer('pub/h.mesh/login'), undefined, 'also not beneath it')
  t.match(platform.model.conflicts, [{ key: 'pub/h.mesh/login', route: 'taker', space: 'two', servedSpace: 'one' }])

  cc.route({ guid: 'own', url: 'h.mesh', space: 'one', destinations: [{ app: 'c' }], created: '2026-01-03T00:00:00Z' })
  await platform.readChanges()
  t.same(platform.answer('pub/h.mesh'), ['c/web:8080 '], 'the space’s own explicit route wins')
  t.equal(platform.model.conflicts.length, 1, 'and is no conflict')

  cc.remove('/v3/routes', 'mirrored')
  cc.remove('/v3/routes', 'own')
  cc.audit('audit.route.delete-request', 'mirrored')
  cc.audit('audit.route.delete-request', 'own')
  await platform.readChanges()
  t.same(platform.answer('pub/h.mesh/login'), ['b/web:8080 '], 'the host is free now')
  t.same(platform.model.conflicts, [])

  cc.route({ guid: 'mirrored', url: 'h.apps', space: 'one', domain: 'apps', destinations: [{ app: 'a' }], created: '2026-02-01T00:00:00Z' })
  await platform.readChanges()
  t.equal(platform.answer('pub/h.mesh'), undefined, 'an earlier explicit route keeps its host')
  t.match(platform.model.conflicts, [{ key: 'pub/h.mesh', route: 'mirrored', space: 'one', servedSpace: 'two' }])
})

test('a conflict that BBS tells first is not served either', async (t) => {
  const platform = new TestPlatform({ mirror: { from: 'apps', to: 'mesh' } })
  platform.cc.route({ guid: 'mirrored', url: 'h.apps', space: 'one', domain: 'apps', destinations: [{ app: 'a' }] })
  await platform.readAll()
  platform.hear({ kind: 'desired', lrp: desired({ process: 'p', app: 'b', space: 'two', hosts: ['h.mesh'] }) })
  t.same(platform.answer('pub/h.mesh'), ['a/web:8080 '])
  t.match(platform.model.conflicts, [{ space: 'two', servedSpace: 'one' }])
})

test('a route behind a route service is not served past it', (t) => {
  const platform = new TestPlatform()
  platform.hear({
    kind: 'desired',
    lrp: desired({
      process: 'p',
      routes: { 'cf-router': JSON.stringify([{ hostnames: ['h.mesh'], port: 8080, route_service_url: 'https://auth.test' }]) },
    }),
  })
  t.equal(platform.answer('pub/h.mesh'), undefined)
  t.match(platform.model.conflicts, [{ key: 'pub/h.mesh', reason: /route service/ }])
  t.end()
})

test('what is old is not read again and again', async (t) => {
  const platform = new TestPlatform()
  for (const n of [1, 2, 3]) platform.cc.route({ guid: `r${n}`, url: `h${n}.mesh`, destinations: [{ app: 'a' }] })
  const table = platform.cc.resources.get('/v3/routes')!
  for (const route of table.values()) route.updated_at = '2026-01-01T00:00:00Z'
  const asked: string[] = []
  const query = platform.cc.query.bind(platform.cc)
  platform.cc.query = (path, filter) => {
    if (path === '/v3/routes') asked.push(...(filter['updated_ats[gte]'] ? [filter['updated_ats[gte]']] : []))
    return query(path, filter)
  }
  await platform.readAll()
  platform.cc.audit('audit.app.map-route', 'a', { route_guid: 'r1' })
  await platform.readChanges()
  await platform.readChanges()
  t.equal(asked[0], '1970-01-01T00:00:00Z', 'nothing tells the time yet')
  t.ok(Date.now() - Date.parse(asked.at(-1)!) < 8_000, 'from where the last read began, but for the overlap')
})
