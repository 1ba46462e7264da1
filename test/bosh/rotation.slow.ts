import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { parse } from 'yaml'
import { ask } from '../support/client.ts'
import { eventually } from '../support/wait.ts'
import { Balancer } from './support/balancer.ts'
import { root, rubyAbsent } from './support/jobs.ts'
import { Load } from './support/load.ts'
import { meshDomain, Platform } from './support/platform.ts'
import { envoyAbsent } from './support/prefix.ts'
import type { Vm } from './support/vm.ts'

const hello = `hello.${meshDomain}`

interface Pair {
  ca: string
  certificate: string
  private_key: string
}

/** docs/operators/certificates.md on a deployment of real processes. */
test('what is to be rotated', { skip: rubyAbsent ?? envoyAbsent, timeout: 850_000 }, async (t) => {
  const platform = await Platform.start()
  t.teardown(() => platform.stop())
  const { deployment, apps, routers, ports, folder } = platform
  const [control, syncer] = [deployment.group('istio-control')[0]!, deployment.group('route-syncer')[0]!]
  const serving = deployment.group('istio-router')
  await Promise.all([control, syncer, ...serving].map((vm) => vm.start()))
  await apps.push({ name: 'hello', path: join(root, 'examples/hello'), instances: 2, routes: [hello] }, () => {})
  for (const router of routers) await eventually(async () => (await ask(router.http, hello)).status === 200)
  const balancer = await new Balancer(routers).start()
  t.teardown(() => balancer.stop())

  const trust = join(folder, 'uaa-and-mesh.crt')
  const meshctl = (...args: string[]): Promise<string> =>
    control.run(process.execPath, [join(root, 'src/cli/main.ts'), ...args], {
      HOME: folder,
      MESH_HOME: folder,
      CF_HOME: folder,
      MESH_PASSWORD: 'admin',
    })
  const pair = (name: string): Pair => deployment.variables[name] as Pair

  await t.test('certificates and their CA are rotated in three deployments, without a lost request', async (t) => {
    const leaves = ['mesh_copilot_tls', 'mesh_pilot_tls', 'mesh_route_syncer_tls', 'mesh_istio_router_tls', 'mesh_ingress_tls']
    const restart = async (vm: Vm): Promise<void> => {
      await vm.stop()
      deployment.render(vm)
      await vm.start()
    }
    const deploy = async (): Promise<void> => {
      await Promise.all([control, syncer].map(restart))
      for (const vm of serving) await restart(vm)
    }
    const trusting = (pairs: Record<string, Pair>, ca: string): Record<string, Pair> =>
      Object.fromEntries(Object.entries(pairs).map(([name, leaf]) => [name, { ...leaf, ca }]))
    const old = Object.fromEntries(leaves.map((name) => [name, pair(name)]))
    const before = pair('mesh_ca')
    deployment.regenerate(['mesh_ca', ...leaves])
    const fresh = pair('mesh_ca')
    const renewed = Object.fromEntries(leaves.map((name) => [name, pair(name)]))
    const both = before.certificate + fresh.certificate

    const load = new Load(balancer.port, hello, 20)
    // Both are trusted and the old one signs; the new one signs; the old one goes.
    for (const variables of [trusting(old, both), trusting(renewed, both), renewed]) {
      deployment.regenerate([], variables)
      await deploy()
    }
    t.equal((await ask(routers[0]!.https, hello, { tls: { servername: hello, ca: fresh.certificate } })).status, 200)
    await t.rejects(ask(routers[0]!.https, hello, { tls: { servername: hello, ca: before.certificate } }))
    await load.stop()
    t.ok(load.sent > 100, `${load.sent} requests`)
    t.same(load.failures, [])
  })

  await t.test('the key of secrets is rotated', async (t) => {
    writeFileSync(trust, pair('mesh_copilot_tls').ca + String(deployment.variables['cf_uaa_ca']))
    await meshctl('login', '--api', `https://copilot.service.cf.internal:${ports.api}`, '--api-ca', trust, '--user', 'admin')
    const { certificate, private_key } = pair('mesh_ingress_tls')
    writeFileSync(join(folder, 'shop.crt'), certificate)
    writeFileSync(join(folder, 'shop.key'), private_key)
    await meshctl(
      'secret',
      'set',
      'shop',
      '-n',
      'bosh-test/bosh-test',
      '--cert',
      join(folder, 'shop.crt'),
      '--key',
      join(folder, 'shop.key'),
    )
    const config = control.prefix.path('jobs/copilot/config/copilot.yml')
    const written = parse(readFileSync(config, 'utf8')) as { encryption: { keys: object[] } }
    await control.stop()
    written.encryption.keys.unshift({ name: 'second', secret: 'another random text of enough letters' })
    writeFileSync(config, JSON.stringify(written))
    await control.start()
    const said = control
      .log('copilot')
      .split('\n')
      .find((line) => line.includes('secrets are encrypted with the newest key'))
    t.match(JSON.parse(said ?? '{}'), { sealed: 1, failed: 0 })
    t.match(await meshctl('secret', 'list', '-n', 'bosh-test/bosh-test'), 'shop')
  })

  await t.test('what drain did is in its log', (t) => {
    t.match(serving[0]!.log('istio-router', 'drain.log'), /process \d+ begins to drain\n.*nothing runs any more/)
    t.end()
  })
})
