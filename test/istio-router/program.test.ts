import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test, type Test } from 'tap'
import { Registry } from 'prom-client'
import { validateConfig } from '../../src/common/config.ts'
import { createLogger } from '../../src/common/log.ts'
import { ResourceCache } from '../../src/common/xds/cache.ts'
import { Publisher } from '../../src/pilot/ads/publisher.ts'
import { AdsServer } from '../../src/pilot/ads/server.ts'
import { PilotConfig } from '../../src/pilot/config.ts'
import { Translator } from '../../src/pilot/translate/translator.ts'
import { ask } from '../support/client.ts'
import { TestInstance } from '../support/instance.ts'
import { envoyAbsent } from '../support/mesh.ts'
import { replace } from '../pilot/records.ts'
import { TestAuthority } from '../support/pki.ts'
import { freePort, TestProgram } from '../support/program.ts'
import { eventually } from '../support/wait.ts'

interface Ready {
  ready: boolean
  conditions: {
    engine: { pid?: number; listeners?: string[] }
    agent: { reason?: string; age?: number }
    drain: { ready: boolean; reason?: string }
  }
}

/** The istio-router program with a pilot that serves it one route, to an instance whose answers the test gives. */
async function router(t: Test, engine: string) {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-router-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const pki = new TestAuthority(join(folder, 'pki'))
  const waiting: (() => void)[] = []
  const instance = await TestInstance.start({
    identities: pki.pair,
    routerCa: pki.pair.certificate,
    handler: (request, response) => void (request.url === '/slow' ? waiting.push(() => response.end('slow')) : response.end('quick')),
  })
  t.teardown(() => instance.stop())

  const log = createLogger('test', 'silent')
  const tls = pki.issue('pilot')
  const config = validateConfig(
    PilotConfig,
    {
      listen: { port: 0 },
      tls,
      debug: { listen: { port: 0 } },
      copilot: { url: 'https://127.0.0.1:1', tls },
      health: { listen: { port: 0 } },
    },
    'pilot.yml',
  )
  const cache = new ResourceCache()
  const publisher = new Publisher(new Translator(config.translation), cache)
  const ads = new AdsServer({ config, cache, ready: () => publisher.whole, log, metrics: new Registry() })
  await ads.start()
  t.teardown(() => ads.stop())
  await replace(publisher, [
    { kind: 'process', key: 'p', value: { app: 'a', type: 'web', instances: 1 } },
    { kind: 'instance', key: instance.guid, value: instance.record('p') },
    {
      kind: 'route',
      key: 'pub/a.mesh',
      value: {
        host: 'a.mesh',
        path: '',
        exposure: 'pub',
        space: 's',
        labels: {},
        options: {},
        destinations: [{ app: 'a', type: 'web', port: 8080, protocol: 'http1', processes: ['p'] }],
      },
    },
  ])

  const port = await freePort()
  const backend = pki.issue('backend', { dns: ['gorouter.service.cf.internal'] })
  const start = async (): Promise<TestProgram> => {
    const program = await TestProgram.start(
      'istio-router',
      {
        name: 'router-1',
        engine,
        pilot: { addresses: [`127.0.0.1:${ads.port}`], tls: pki.issue('istio-router') },
        listeners: [{ name: 'http', address: '127.0.0.1', port }],
        backend,
        cache: join(folder, 'cache'),
        drain: { wait: 500, limit: 10_000 },
        envoy: { concurrency: 1 },
      },
      folder,
    )
    t.teardown(() => program.stop('SIGKILL'))
    return program
  }
  /** Whether a resource is in the copy on disk, which comes after it was taken. */
  const isKept = (name: string): boolean => {
    const database = new DatabaseSync(join(folder, 'cache/resources.db'), { readOnly: true })
    const row = database.prepare('SELECT 1 FROM resource WHERE name = ?').get(name)
    database.close()
    return row !== undefined
  }
  return { ads, start, port, waiting, isKept }
}

const state = async (program: TestProgram): Promise<Ready> =>
  (await (await fetch(`http://127.0.0.1:${program.healthPort}/ready`)).json()) as Ready
const alive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

for (const engine of ['embedded', 'envoy']) {
  const skip = (engine === 'envoy' && envoyAbsent) || false

  test(`${engine}: SIGTERM fails health first, then takes no more, and finishes what is in flight`, { skip }, async (t) => {
    const { start, port, waiting } = await router(t, engine)
    const program = await (await start()).ready()
    await eventually(async () => (await ask(port, 'a.mesh')).body === 'quick')
    const { pid } = (await state(program)).conditions.engine
    const slow = ask(port, 'a.mesh', { path: '/slow' })
    await eventually(() => waiting.length)

    const exited = once(program.child, 'exit')
    program.child.kill('SIGTERM')
    await eventually(async () => (await state(program)).conditions.drain.reason === 'draining')
    t.equal((await state(program)).ready, false)
    t.equal((await ask(port, 'a.mesh')).body, 'quick', 'until the load balancer has noticed, requests are answered')

    await eventually(() =>
      ask(port, 'a.mesh').then(
        () => false,
        () => true,
      ),
    )
    t.equal(program.child.exitCode, null, 'it waits for what is in flight')
    for (const finish of waiting) finish()
    t.equal((await slow).body, 'slow')
    t.strictSame(await exited, [0, null])
    if (pid !== undefined) t.notOk(alive(pid), 'Envoy is gone too')
  })

  test(`${engine}: a router that starts while no pilot is there serves its last good configuration`, { skip }, async (t) => {
    const { ads, start, port, isKept } = await router(t, engine)
    const first = await (await start()).ready()
    await eventually(async () => (await ask(port, 'a.mesh')).body === 'quick')
    const { pid } = (await state(first)).conditions.engine
    await eventually(() => ['http', 'pub', 'pub/a.mesh'].every(isKept))
    await ads.stop()
    await first.stop('SIGKILL')
    if (pid !== undefined) await eventually(() => !alive(pid))

    const second = await (await start()).ready()
    await eventually(async () => (await ask(port, 'a.mesh')).body === 'quick')
    await eventually(async () => /no pilot answers/.test((await state(second)).conditions.agent.reason ?? ''))
    t.ok(Number((await state(second)).conditions.agent.age) > 0)
    t.match(
      await (await fetch(`http://127.0.0.1:${second.healthPort}/metrics`)).text(),
      /mesh_router_configuration_age_seconds\{[^}]*\} [\d.]+/,
    )
  })
}
