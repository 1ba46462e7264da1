import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { ask } from '../support/client.ts'
import { eventually } from '../support/wait.ts'
import { Balancer } from './support/balancer.ts'
import { root, rubyAbsent } from './support/jobs.ts'
import { Load } from './support/load.ts'
import { meshDomain, Platform } from './support/platform.ts'
import { envoyAbsent } from './support/prefix.ts'
import type { Vm } from './support/vm.ts'

const skip = rubyAbsent ?? envoyAbsent
const hello = `hello.${meshDomain}`

test('a deployment from rendered jobs', { skip, timeout: 500_000 }, async (t) => {
  const platform = await Platform.start()
  t.teardown(() => platform.stop())
  const { deployment, apps, routers } = platform
  const [control, syncer] = [deployment.group('istio-control')[0]!, deployment.group('route-syncer')[0]!]
  const errand = deployment.group('mesh-smoke-tests')[0]!
  const serving = deployment.group('istio-router')

  await t.test('its VMs start by their own scripts', async (t) => {
    for (const vm of [control, syncer]) await vm.start()
    await Promise.all(serving.map((vm) => vm.start()))
    for (const vm of [control, syncer, ...serving])
      for (const job of vm.instance.jobs) t.match(vm.log(job), '"msg":"ready"', `${vm.instance.group}/${job}`)
  })

  const balancer = await new Balancer(routers).start()
  t.teardown(() => balancer.stop())
  await apps.push({ name: 'hello', path: join(root, 'examples/hello'), instances: 2, routes: [hello] }, () => {})

  await t.test('a pushed app is served over every router', async (t) => {
    for (const router of routers) await eventually(async () => (await ask(router.http, hello)).status === 200)
    t.match((await ask(balancer.port, hello)).body, 'Hello from hello')
  })

  await t.test('the access log is JSON in a file of its own, and the last good configuration has no key', (t) => {
    const [vm] = serving
    const lines = vm!.log('istio-router', 'access.log').trim().split('\n')
    t.ok(lines.every((line) => typeof JSON.parse(line) === 'object'))
    const kept = vm!.prefix.path('data/istio-router/last-good')
    for (const file of readdirSync(kept)) t.notMatch(readFileSync(join(kept, file), 'latin1'), 'PRIVATE KEY', file)
    t.end()
  })

  await t.test('the smoke tests pass', async (t) => {
    const output = await errand.run(errand.prefix.path('jobs/smoke-tests/bin/run'))
    t.match(output, / passed\n$/)
    t.notMatch(output, 'left behind')
    const left = await platform.cc.list('/v3/organizations')
    t.notOk(
      left.some(({ name }) => name === 'mesh-smoke-tests'),
      'nothing is left behind',
    )
  })

  await t.test('a rolling upgrade loses no request', async (t) => {
    const load = new Load(balancer.port, hello, 40)
    const asked: Record<string, number>[] = []
    for (const vm of [control, syncer, ...serving]) {
      asked.push(await vm.stop())
      deployment.render(vm)
      await vm.start()
    }
    await load.stop()
    t.ok(load.sent > 100, `${load.sent} requests`)
    t.same(load.failures, [])
    for (const answers of asked.slice(2)) t.ok(answers['istio-router']! > 1, 'the drain script was asked again until the router had left')
  })

  await t.test('a wrong certificate is named by pre-start, and nothing is stopped for it', async (t) => {
    const [vm] = serving as [Vm]
    const file = vm.prefix.path('jobs/istio-router/config/certificates/backend.key')
    writeFileSync(file, readFileSync(vm.prefix.path('jobs/istio-router/config/certificates/certificate.key'), 'utf8'))
    await t.rejects(vm.run(vm.prefix.path('jobs/istio-router/bin/pre-start')), {
      message: /\n {2}backend\.private_key: is not the key of backend\.certificate/,
    })
    t.equal((await ask(routers[0]!.http, hello)).status, 200)
  })
})
