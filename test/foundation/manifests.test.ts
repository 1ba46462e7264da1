import { test } from 'tap'
import { parse } from 'yaml'
import { Harness, type Session } from './harness.ts'

const yaml = { 'content-type': 'application/x-yaml' }

async function apply(session: Session, space: string, manifest: string): Promise<any> {
  const { status, headers, body } = await session('POST', `/v3/spaces/${space}/actions/apply_manifest`, manifest, yaml)
  return status === 202 ? (await session('GET', headers.get('location')!)).body : body
}

test('a manifest makes apps, processes, variables, labels and routes, and is found again', async (t) => {
  const harness = await Harness.start(t)
  const admin = await harness.login()
  const { space } = await harness.target(admin)
  const job = await apply(
    admin,
    space,
    `
version: 1
applications:
- name: shop
  env: { GREETING: hello, NUMBER: 5 }
  metadata: { labels: { app: shop } }
  processes:
  - { type: web, instances: 2, memory: 64M, disk-quota: 1G, command: node web.js, health-check-type: http, health-check-http-endpoint: /up, timeout: 90 }
  - { type: worker, instances: 3, memory: 128M, health-check-type: process }
  routes:
  - route: shop.apps.test
  - { route: shop.mesh.apps.test/api, protocol: http2, options: { loadbalancing: least-connection } }
- { name: quiet, no-route: true }
- { name: lucky, random-route: true }
- { name: plain, default-route: true, disk-quota: 512M }
`,
  )
  t.match(job, { state: 'COMPLETE', operation: 'space.apply_manifest', errors: [] })
  const apps = (await admin('GET', '/v3/apps?order_by=name')).body.resources
  t.same(
    apps.map(({ name }: any) => name),
    ['lucky', 'plain', 'quiet', 'shop'],
  )
  const shop = apps[3]
  t.same(shop.metadata.labels, { app: 'shop' })
  t.same((await admin('GET', `/v3/apps/${shop.guid}/environment_variables`)).body.var, { GREETING: 'hello', NUMBER: '5' })
  t.match((await admin('GET', `/v3/apps/${shop.guid}/processes`)).body.resources, [
    {
      type: 'web',
      instances: 2,
      memory_in_mb: 64,
      disk_in_mb: 1024,
      health_check: { type: 'http', data: { endpoint: '/up', timeout: 90 } },
    },
    { type: 'worker', instances: 3, memory_in_mb: 128, health_check: { type: 'process' } },
  ])
  t.match((await admin('GET', `/v3/apps/${shop.guid}/routes`)).body.resources, [
    { url: 'shop.apps.test', destinations: [{ protocol: 'http1' }] },
    { url: 'shop.mesh.apps.test/api', options: { loadbalancing: 'least-connection' }, destinations: [{ protocol: 'http2' }] },
  ])
  const routes = async (name: string) =>
    (await admin('GET', `/v3/apps/${apps.find((app: any) => app.name === name).guid}/routes`)).body.resources.map(({ url }: any) => url)
  t.same(await routes('quiet'), [])
  t.match(await routes('lucky'), [/^lucky-\w+-\w+-\w\w\.apps\.test$/])
  t.same(await routes('plain'), ['plain.apps.test'])

  const written = parse((await admin('GET', `/v3/apps/${shop.guid}/manifest`)).body)
  t.match(written.applications[0], {
    name: 'shop',
    env: { GREETING: 'hello' },
    routes: [{ route: 'shop.apps.test' }, { route: 'shop.mesh.apps.test/api', protocol: 'http2' }],
    processes: [{ type: 'web', memory: '64M' }, { type: 'worker' }],
  })
  const again = await admin('POST', `/v3/spaces/${space}/manifest_diff`, (await admin('GET', `/v3/apps/${shop.guid}/manifest`)).body, yaml)
  t.same(again, { ...again, status: 201, body: { diff: [] } }, 'what is there differs in nothing')
})

test('a diff tells what would change', async (t) => {
  const harness = await Harness.start(t)
  const admin = await harness.login()
  const { space } = await harness.target(admin)
  await apply(admin, space, 'applications: [{name: shop, memory: 64M, instances: 1, routes: [{route: shop.apps.test}]}]')
  const { body } = await admin(
    'POST',
    `/v3/spaces/${space}/manifest_diff`,
    'applications: [{name: shop, memory: 0.125G, instances: 1, env: {A: b}, routes: [{route: shop.apps.test}, {route: two.apps.test}]}]',
    yaml,
  )
  t.same(body.diff, [
    { op: 'replace', path: '/applications/0/memory', was: '64M', value: '128M' },
    { op: 'add', path: '/applications/0/env', value: { A: 'b' } },
    { op: 'add', path: '/applications/0/routes/1', value: { route: 'two.apps.test' } },
  ])
})

test('a manifest with a fault changes nothing at all', async (t) => {
  const harness = await Harness.start(t)
  const admin = await harness.login()
  const { space } = await harness.target(admin)
  const failed = await apply(
    admin,
    space,
    'applications: [{name: good, routes: [{route: good.apps.test}]}, {name: bad, routes: [{route: bad.nowhere.test}]}]',
  )
  t.match(failed, {
    state: 'FAILED',
    errors: [{ code: 10008, detail: "For application 'bad': For route 'bad.nowhere.test': No domains exist for route bad.nowhere.test" }],
  })
  t.equal(harness.foundation.store.apps.size, 0)
  t.equal(harness.foundation.store.routes.size, 0)

  const refused: [string, number, RegExp | string][] = [
    ['applications: [', 1001, /parse error/],
    ['just text', 1001, /parse error/],
    ['applications: []', 10008, "Cannot parse manifest with no 'applications' field."],
    ['{version: 2, applications: [{name: a}]}', 10008, /Unsupported manifest schema version/],
    ['applications: [{memory: 1G}]', 10008, /Name must not be empty/],
    ['x: &x {name: a}\napplications: [*x]', 1004, /does not support Anchors and Aliases/],
    ['applications: [{name: a, memory: lots}]', 10008, `For application 'a': Process "web": Memory is not a number`],
    ['applications: [{name: a, memory: 64}]', 10008, /Memory must use a supported unit/],
    ['applications: [{name: a, instances: -1}]', 10008, /Process "web": Instances must be greater than or equal to 0/],
    ['applications: [{name: a, routes: [a.apps.test]}]', 10008, /Routes must be a list of route objects/],
    ['applications: [{name: a, random-route: maybe}]', 10008, /Random-route must be a boolean/],
    ['applications: [{name: a, buildpack: x, buildpacks: [y]}]', 10008, /cannot be used together/],
    ['applications: [{name: a, docker: {image: x}}]', 10008, /diego_docker/],
    ['applications: [{name: a, env: 5}]', 10008, /Env must be an object of keys and values/],
  ]
  for (const [manifest, code, detail] of refused) t.match(await apply(admin, space, manifest), { errors: [{ code, detail }] }, manifest)
  t.equal(harness.foundation.store.apps.size, 0)
})
