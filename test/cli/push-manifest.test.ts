import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tap, { test } from 'tap'
import { Apps } from '../../src/cli/dev/apps.ts'
import { pushManifest, readManifest } from '../../src/cli/dev/manifest.ts'
import { Session } from '../../src/cli/dev/session.ts'
import { Harness } from '../foundation/harness.ts'
import { meshctl } from './meshctl.ts'

const folder = mkdtempSync(join(tmpdir(), 'mesh-manifest-'))
tap.teardown(() => rmSync(folder, { recursive: true }))
mkdirSync(join(folder, 'services'))
writeFileSync(join(folder, 'services/a.txt'), 'a')

function written(text: string): string {
  const file = join(folder, 'manifest.yml')
  writeFileSync(file, text)
  return file
}

const shop = `
version: 1
applications:
- name: shop
  path: services
  instances: ((count))
  command: node shop.js
  env: { GREETING: "hello ((who))" }
  metadata: { labels: { app: shop, version: v2 } }
  routes:
  - route: shop.((domain))
- { name: plain, path: services }
- { name: quiet, path: services, no-route: true }
`

test('a manifest is applied whole, and each app gets its files and is started', async (t) => {
  const harness = await Harness.start(t)
  const admin = await harness.login()
  const { space } = await harness.target(admin)
  const cc = await new Session({ api: harness.url, uaa: harness.uaa, user: 'admin', password: 'admin-secret' }).signIn()
  t.teardown(() => cc.close())
  const steps: string[] = []
  const manifest = readManifest(written(shop), { count: '2', who: 'world', domain: 'mesh.apps.test' })
  const push = () => pushManifest(new Apps(cc, space), manifest, (app, step) => steps.push(`${app} ${step.replace(/\d+/, 'N')}`))
  const pushed = await push()
  t.same(
    pushed.map(({ name }) => name),
    ['shop', 'plain', 'quiet'],
  )
  t.same(steps.slice(0, 4), ['shop uploading N bytes', 'shop staging', 'shop starting', 'plain uploading N bytes'])

  const apps = (await admin('GET', '/v3/apps?order_by=name')).body.resources
  t.match(apps, [
    { name: 'plain', state: 'STARTED' },
    { name: 'quiet', state: 'STARTED' },
    { name: 'shop', state: 'STARTED', metadata: { labels: { app: 'shop', version: 'v2' } } },
  ])
  const of = (name: string) => `/v3/apps/${apps.find((app: any) => app.name === name).guid}`
  t.same((await admin('GET', `${of('shop')}/environment_variables`)).body.var, { GREETING: 'hello world' })
  t.match((await admin('GET', `${of('shop')}/processes/web`)).body, { instances: 2, command: 'node shop.js' })
  const routes = async (name: string) => (await admin('GET', `${of(name)}/routes`)).body.resources.map(({ url }: any) => url)
  t.same([await routes('shop'), await routes('plain'), await routes('quiet')], [['shop.mesh.apps.test'], ['plain.apps.test'], []])

  await push()
  t.equal((await admin('GET', '/v3/apps')).body.resources.length, 3, 'again: replaced, not doubled')
})

test('what Cloud Controller refuses is told, and nothing is half-applied', async (t) => {
  const harness = await Harness.start(t)
  const admin = await harness.login()
  const { space } = await harness.target(admin)
  const cc = await new Session({ api: harness.url, uaa: harness.uaa, user: 'admin', password: 'admin-secret' }).signIn()
  t.teardown(() => cc.close())
  const manifest = readManifest(
    written('applications:\n- { name: good, path: services }\n- { name: bad, path: services, routes: [{ route: bad.nowhere.test }] }\n'),
  )
  await t.rejects(
    pushManifest(new Apps(cc, space), manifest, () => {}),
    /For application 'bad'.*No domains exist for route bad\.nowhere\.test/,
  )
  t.same((await admin('GET', '/v3/apps')).body.resources, [])
})

test("variables stand for a value or for a part of it; anchors are the author's", (t) => {
  const { applications } = readManifest(
    written(
      'a: &path services\napplications:\n- { name: "((name))-((name))", path: *path, instances: ((n)), env: { X: ((n)), Y: "((n))" } }\n',
    ),
    { name: 'x', n: '3' },
  )
  t.match(applications, [{ name: 'x-x', path: join(folder, 'services'), instances: 3 }])
  t.end()
})

test('a faulty manifest is refused with its file and the fault', (t) => {
  const refused = (text: string, why: RegExp) =>
    t.throws(() => readManifest(written(text)), { code: 'MESHCTL_MANIFEST_UNREADABLE', message: why }, text)
  refused('applications: [', /manifest\.yml: /)
  refused('', /has no list of applications/)
  refused('applications: []', /has no list of applications/)
  refused('applications: [{ path: services }]', /applications\[0\]\.name is missing/)
  refused('applications: [3]', /applications\[0\]\.name is missing/)
  refused('applications: [{ name: a, path: 3 }]', /applications\[0\]\.path is no text/)
  refused('applications: [{ name: a, path: nowhere }]', /applications\[0\]\.path: there is no folder .*nowhere/)
  refused('applications: [{ name: a, path: services }, { name: a, path: services }]', /two applications a/)
  refused('applications: [{ name: ((a)), path: services, env: { X: "((b)) ((a))" } }]', /give the variables a, b with --var NAME=VALUE/)
  t.throws(() => readManifest(join(folder, 'none.yml')), { code: 'MESHCTL_MANIFEST_UNREADABLE', message: /no such file/ })
  t.end()
})

test('usage: an app or a manifest, and no flags that the manifest says itself', async (t) => {
  t.match(await meshctl(['dev', 'push']), { code: 2, err: /name an app, or a manifest/ })
  t.match(await meshctl(['dev', 'push', '-f', 'manifest.yml', '-i', '2']), { code: 2, err: /cannot be used with/ })
})
