import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { parse } from 'yaml'
import { ask } from '../support/client.ts'
import { eventually } from '../support/wait.ts'
import { root, rubyAbsent } from './support/jobs.ts'
import { meshDomain, Platform } from './support/platform.ts'
import { envoyAbsent } from './support/prefix.ts'

const hello = `hello.${meshDomain}`

/** What docs/operators tells operators to run and to look at, on a deployment of real processes. */
test("the runbook's commands", { skip: rubyAbsent ?? envoyAbsent, timeout: 500_000 }, async (t) => {
  const platform = await Platform.start()
  t.teardown(() => platform.stop())
  const { deployment, apps, routers, ports, folder } = platform
  const [control, syncer] = [deployment.group('istio-control')[0]!, deployment.group('route-syncer')[0]!]
  const serving = deployment.group('istio-router')
  const vms = [control, syncer, ...serving]
  await Promise.all(vms.map((vm) => vm.start()))
  await apps.push({ name: 'hello', path: join(root, 'examples/hello'), instances: 2, routes: [hello] }, () => {})
  for (const router of routers) await eventually(async () => (await ask(router.http, hello)).status === 200)

  const trust = join(folder, 'uaa-and-mesh.crt')
  writeFileSync(trust, (deployment.variables['mesh_copilot_tls'] as { ca: string }).ca + String(deployment.variables['cf_uaa_ca']))
  const meshctl = (...args: string[]): Promise<string> =>
    control.run(process.execPath, [join(root, 'src/cli/main.ts'), ...args], {
      HOME: folder,
      MESH_HOME: folder,
      CF_HOME: folder,
      MESH_PASSWORD: 'admin',
    })
  const curl = (...args: string[]): Promise<string> => control.run('curl', ['--silent', '--fail', ...args])

  await t.test('meshctl logs in at copilot by UAA and answers', async (t) => {
    t.match(
      await meshctl('login', '--api', `https://copilot.service.cf.internal:${ports.api}`, '--api-ca', trust, '--user', 'admin'),
      /logged in to .* as admin/,
    )
    t.match(await meshctl('status'), /^pilot .* ready [^]*^route-syncer .* ready /m)
    t.match(await meshctl('routes'), hello)
    t.match(await meshctl('routers'), serving[0]!.instance.id)
    t.match(await meshctl('instances', 'hello'), 'hello')
    t.match(await meshctl('trace', `${hello}/`), 'hello')
    await t.rejects(meshctl('sync', 'accept'), { message: /held/ })
  })

  await t.test('switches are told of in the status and audited', async (t) => {
    await meshctl('freeze')
    t.match(await meshctl('status'), /frozen/i)
    await meshctl('unfreeze')
    await meshctl('ignore-space', 'bosh-test/bosh-test')
    await meshctl('ignore-space', 'bosh-test/bosh-test', '--undo')
    const actions = control
      .log('copilot')
      .split('\n')
      .filter((line) => line.includes('"audit":true'))
      .map((line) => (JSON.parse(line) as { action: string }).action)
    t.same(actions, ['frozen', 'unfrozen', 'ignored', 'heeded'])
  })

  await t.test('each local address answers', async (t) => {
    const { copilotHealth, pilotHealth, syncerHealth, debug } = ports
    for (const port of [copilotHealth, pilotHealth, syncerHealth, routers[0]!.health]) {
      t.ok(JSON.parse(await curl(`http://localhost:${port}/ready`)) as object, `${port}/ready`)
      t.match(await curl(`http://localhost:${port}/metrics`), /^mesh_|^process_/m, `${port}/metrics`)
      await curl(`http://localhost:${port}/health`)
    }
    await curl(`http://localhost:${routers[0]!.probe}/health`)
    t.match(await curl(`http://localhost:${debug}/debug/route?host=${hello}&path=/`), hello)
    t.match(await curl(`http://localhost:${debug}/debug/routers`), serving[0]!.instance.id)
    for (const page of ['nacks', 'faults']) t.ok(JSON.parse(await curl(`http://localhost:${debug}/debug/${page}`)), page)
    t.match(await curl(`http://localhost:${pilotHealth}/metrics`), 'mesh_pilot_faulty_records')
    t.hasProp(JSON.parse(await curl(`http://localhost:${routers[0]!.health}/ready`)), 'conditions')
  })

  await t.test('prom_scraper finds what it scrapes', async (t) => {
    for (const vm of vms) {
      for (const job of vm.instance.jobs) {
        const { port, scheme, source_id } = parse(readFileSync(vm.prefix.path('jobs', job, 'config/prom_scraper_config.yml'), 'utf8')) as {
          port: number
          scheme: string
          source_id: string
        }
        t.equal(source_id, job)
        t.match(await curl(`${scheme}://localhost:${port}/metrics`), /^# TYPE /m, job)
      }
    }
  })

  await t.test('the logs are where the runbook says, and are gone on with when logrotate has emptied them', async (t) => {
    for (const vm of vms) for (const job of vm.instance.jobs) t.ok(existsSync(vm.prefix.path('sys/log', job, `${job}.stdout.log`)), job)
    const [vm] = serving
    const file = vm!.prefix.path('sys/log/istio-router/access.log')
    await ask(routers[0]!.http, hello)
    await eventually(() => readFileSync(file, 'utf8').includes(hello))
    t.match(JSON.parse(readFileSync(file, 'utf8').trim().split('\n').at(-1)!), { flags: String, instance: String })
    // As copytruncate does: the program has the file open.
    writeFileSync(file, '')
    await ask(routers[0]!.http, hello)
    await eventually(() => readFileSync(file, 'utf8').includes(hello))
    t.notMatch(readFileSync(file, 'latin1'), '\0', 'no hole at its beginning')
  })
})
