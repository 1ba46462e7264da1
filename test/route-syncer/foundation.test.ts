import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pino } from 'pino'
import { test } from 'tap'
import { Apps } from '../../src/cli/dev/apps.ts'
import { Session } from '../../src/cli/dev/session.ts'
import { validateConfig } from '../../src/common/config.ts'
import { createAuthority } from '../../src/common/pki.ts'
import { RouteSyncerConfig } from '../../src/route-syncer/config.ts'
import { RouteSyncer } from '../../src/route-syncer/syncer.ts'
import { tlsFiles } from '../platform/support/certificates.ts'
import { freePort, TestProgram } from '../support/program.ts'
import { eventually } from '../support/wait.ts'
import { FakeCopilot } from './support/copilot.ts'

const host = '127.0.0.1'

test('what is done at the embedded Cloud Foundry arrives at copilot', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-syncer-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const identity = createAuthority('instance identity')
  const [ca, caKey] = [join(folder, 'ca.crt'), join(folder, 'ca.key')]
  writeFileSync(ca, identity.certificate)
  writeFileSync(caKey, identity.key)
  const [cc, uaa, logCache, bbs] = [await freePort(), await freePort(), await freePort(), await freePort()]
  const foundation = await TestProgram.start(
    'foundation',
    {
      log: { level: 'warn' },
      data: join(folder, 'data'),
      cloudController: { http: { host, port: cc } },
      uaa: { http: { host, port: uaa } },
      logCache: { http: { host, port: logCache } },
      bbs: { listen: { host, port: bbs }, tls: tlsFiles('bbs.service.cf.internal') },
      admin: { password: 'admin' },
      clients: [{ id: 'syncer', secret: 'secret', authorities: ['cloud_controller.admin_read_only'] }],
      cells: { ca, caKey, routerCa: tlsFiles('gorouter.service.cf.internal').ca },
    },
    folder,
  )
  t.teardown(() => foundation.stop())
  await foundation.ready()

  const copilot = await new FakeCopilot().listen()
  t.teardown(() => copilot.close())
  const tls = tlsFiles('route-syncer.service.cf.internal')
  const config = validateConfig(
    RouteSyncerConfig,
    {
      uaa: { clientId: 'syncer', clientSecret: 'secret' },
      cloudController: { url: `http://${host}:${cc}`, pollInterval: 50 },
      bbs: { addresses: [`https://${host}:${bbs}`], tls },
      copilot: { url: `https://${host}:${copilot.port}`, tls },
      meshDomains: ['mesh.apps.localhost'],
      mirror: { from: 'apps.localhost', to: 'mesh.apps.localhost' },
      health: { listen: { port: 0 } },
    },
    'test',
  )
  const syncer = new RouteSyncer(config, pino({ level: 'silent' }))
  t.teardown(() => syncer.stop())
  await syncer.start()

  const session = await new Session({ api: `http://${host}:${cc}`, user: 'admin', password: 'admin' }).signIn()
  const create = async (path: string, body: object) => ((await session.post(path, body)) as { guid: string }).guid
  const organization = await create('/v3/organizations', { name: 'o' })
  const space = await create('/v3/spaces', { name: 's', relationships: { organization: { data: { guid: organization } } } })
  const apps = new Apps(session, space)
  const app = await apps.push({ name: 'hello', path: resolve(import.meta.dirname, '../../examples/hello') }, () => {})

  const route = (name: string) => copilot.value('route', `pub/${name}.mesh.apps.localhost`)
  const instances = () => [...copilot.records.values()].filter(({ kind }) => kind === 'instance').length
  await eventually(() => route('hello')?.guid && instances() === 1)
  t.match(route('hello'), { mirrors: 'hello.apps.localhost', space, destinations: [{ app: app.guid, type: 'web', port: 8080 }] })
  t.equal(route('hello').destinations[0].processes.length, 1)
  t.equal(copilot.value('app', app.guid).name, 'hello')

  for (const suspended of [true, false]) {
    await session.patch(`/v3/organizations/${organization}`, { suspended })
    await eventually(() => (copilot.value('organization', organization).suspended ?? false) === suspended)
  }

  await apps.scale(app, 2)
  await eventually(() => instances() === 2)
  await apps.map(app, 'more.mesh.apps.localhost/path')
  await eventually(() => copilot.value('route', 'pub/more.mesh.apps.localhost/path')?.destinations[0].processes.length === 1)
  await session.patch(`/v3/apps/${app.guid}`, { metadata: { labels: { version: 'v2' } } })
  await eventually(() => copilot.value('app', app.guid).labels.version === 'v2')
  await apps.unmap(app, 'more.mesh.apps.localhost/path')
  await eventually(() => !copilot.value('route', 'pub/more.mesh.apps.localhost/path'))
  await apps.stop(app)
  await eventually(() => instances() === 0 && route('hello').destinations[0].processes.length === 0)
  await apps.delete(app)
  await eventually(() => !route('hello') && !copilot.value('app', app.guid))
})
