import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'tap'
import { ask } from '../support/client.ts'
import { eventually } from '../support/wait.ts'
import { Balancer } from './support/balancer.ts'
import { root, rubyAbsent } from './support/jobs.ts'
import { Load } from './support/load.ts'
import { meshDomain, Platform } from './support/platform.ts'
import { envoyAbsent } from './support/prefix.ts'

const skip = rubyAbsent ?? envoyAbsent
const hello = `hello.${meshDomain}`

test('a deployment with a part away', { skip, timeout: 500_000 }, async (t) => {
  const platform = await Platform.start()
  t.teardown(() => platform.stop())
  const { deployment, apps, routers } = platform
  const [control, syncer] = [deployment.group('istio-control')[0]!, deployment.group('route-syncer')[0]!]
  const serving = deployment.group('istio-router')
  await Promise.all([control, syncer, ...serving].map((vm) => vm.start()))
  const balancer = await new Balancer(routers).start()
  t.teardown(() => balancer.stop())
  const app = await apps.push({ name: 'hello', path: join(root, 'examples/hello'), instances: 2, routes: [hello] }, () => {})
  for (const router of routers) await eventually(async () => (await ask(router.http, hello)).status === 200)

  await t.test('a request that takes long is finished while its router drains', async (t) => {
    const slow = await apps.push({ name: 'slow', path: join(import.meta.dirname, 'slow-app'), routes: [`slow.${meshDomain}`] }, () => {})
    const [vm] = serving
    const [router] = routers
    await eventually(async () => (await ask(router!.http, `slow.${meshDomain}`, { path: '/?ms=1' })).status === 200)
    const [answer] = await Promise.all([ask(router!.http, `slow.${meshDomain}`, { path: '/?ms=5000' }), delay(500).then(() => vm!.stop())])
    t.match(answer, { status: 200, body: 'slept 5000\n' })
    await vm!.start()
    await apps.delete(slow)
  })

  await t.test('while the control VM is away routers serve on, and what was missed is there 5 s after its return', async (t) => {
    const load = new Load(balancer.port, hello, 20)
    await control.stop()
    await apps.map(app, `later.${meshDomain}`)
    t.equal((await ask(balancer.port, `later.${meshDomain}`)).status, 404)
    await control.start()
    const back = Date.now()
    for (const router of routers) await eventually(async () => (await ask(router.http, `later.${meshDomain}`)).status === 200)
    const took = Date.now() - back
    t.ok(took < 5000, `there after ${took} ms`)
    await load.stop()
    t.same(load.failures, [])
  })

  await t.test('a router that starts without pilot serves its last good configuration', async (t) => {
    const [vm] = serving
    await control.stop()
    await vm!.stop()
    await vm!.start()
    t.equal((await ask(routers[0]!.http, hello)).status, 200)
    await control.start()
  })

  await t.test('copilot is backed up while it runs, and restored', async (t) => {
    const artifact = join(platform.folder, 'artifact')
    mkdirSync(artifact)
    const script = (name: string): Promise<string> =>
      control.run(control.prefix.path('jobs/copilot/bin/bbr', name), [], { BBR_ARTIFACT_DIRECTORY: artifact })
    const load = new Load(balancer.port, hello, 20)
    await script('backup')
    await apps.unmap(app, `later.${meshDomain}`)
    for (const router of routers) await eventually(async () => (await ask(router.http, `later.${meshDomain}`)).status !== 200)
    for (const name of ['pre-restore-lock', 'restore', 'post-restore-unlock']) await script(name)
    await apps.map(app, `after.${meshDomain}`)
    for (const router of routers) {
      await eventually(async () => (await ask(router.http, `after.${meshDomain}`)).status === 200)
      await eventually(async () => (await ask(router.http, `later.${meshDomain}`)).status !== 200)
    }
    await load.stop()
    t.same(load.failures, [])
  })
})
