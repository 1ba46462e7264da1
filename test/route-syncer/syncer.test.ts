import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { pino } from 'pino'
import { test } from 'tap'
import { validateConfig } from '../../src/common/config.ts'
import { createMetrics, type Condition } from '../../src/common/health.ts'
import { RouteSyncerConfig } from '../../src/route-syncer/config.ts'
import { RouteSyncer } from '../../src/route-syncer/syncer.ts'
import { actualLrp, desiredLrp, FakeBbs } from '../platform/support/bbs.ts'
import { tlsFiles } from '../platform/support/certificates.ts'
import { FakeCloudController } from '../platform/support/cloud-controller.ts'
import { eventually } from '../support/wait.ts'
import { FakeCopilot } from './support/copilot.ts'

interface Test {
  teardown(end: () => Promise<void>): void
}

const log = pino({ level: process.env['MESH_TEST_LOG'] ?? 'silent' })

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** The neighbours of a syncer, each of which listens when a test wants it to. */
async function neighbours(t: Test) {
  const ports = { cc: await freePort(), bbs: await freePort(), copilot: await freePort() }
  const parts = { cc: new FakeCloudController(), bbs: new FakeBbs(), copilot: new FakeCopilot() }
  const up = new Set<{ close(): Promise<void> }>()
  t.teardown(async () => {
    for (const part of up) await part.close()
  })
  const begin = async (...names: (keyof typeof ports)[]): Promise<void> => {
    for (const name of names) up.add(await parts[name].listen(ports[name]))
  }
  return { ...parts, ports, begin, up }
}

function start(t: Test, ports: Record<'cc' | 'bbs' | 'copilot', number>, more: Record<string, object> = {}): RouteSyncer {
  const tls = tlsFiles('route-syncer.service.cf.internal')
  const config = validateConfig(
    RouteSyncerConfig,
    {
      uaa: { clientId: 'syncer', clientSecret: 'secret' },
      cloudController: { url: `http://127.0.0.1:${ports.cc}`, pollInterval: 30, ...more['cloudController'] },
      bbs: { addresses: [`https://127.0.0.1:${ports.bbs}`], tls, ...more['bbs'] },
      copilot: { url: `https://127.0.0.1:${ports.copilot}`, tls },
      meshDomains: ['mesh'],
      mirror: { from: 'apps', to: 'mesh' },
      health: { listen: { port: 0 } },
      guard: { minimum: 3 },
    },
    'test',
  )
  const syncer = new RouteSyncer(config, log)
  t.teardown(() => syncer.stop())
  void syncer.start()
  return syncer
}

/** An app with one instance, mapped and running. */
function push({ cc, bbs }: { cc: FakeCloudController; bbs: FakeBbs }, name: string): void {
  cc.app(name)
  cc.route({ guid: `r-${name}`, url: `${name}.apps`, domain: 'apps', destinations: [{ app: name }] })
  bbs.desired.set(`p-${name}`, desiredLrp({ process: `p-${name}`, app: name, hosts: [`${name}.apps`] }))
  bbs.actual.set(`i-${name}`, actualLrp({ process: `p-${name}`, guid: `i-${name}` }))
}

test('both sources are read and brought to copilot, then every change', async (t) => {
  const platform = await neighbours(t)
  const { cc, bbs, copilot, ports } = platform
  push(platform, 'hello')
  await platform.begin('cc', 'bbs', 'copilot')
  const syncer = start(t, ports)
  await eventually(() => copilot.value('route', 'pub/hello.mesh')?.guid === 'r-hello')
  t.match(copilot.value('route', 'pub/hello.mesh'), { mirrors: 'hello.apps', destinations: [{ app: 'hello', processes: ['p-hello'] }] })
  t.equal(copilot.value('instance', 'i-hello').process, 'p-hello')
  t.equal(copilot.requests.filter((request) => request.startsWith('PUT /v1/sources')).length, 1)

  bbs.emit('actual_lrp_instance_removed', { actualLrp: actualLrp({ process: 'p-hello', guid: 'i-hello' }) })
  await eventually(() => !copilot.value('instance', 'i-hello'))
  t.equal(copilot.requests.filter((request) => request.startsWith('PUT /v1/sources')).length, 1, 'as a change')

  cc.route({ guid: 'r-hello', url: 'hello.apps', domain: 'apps', labels: { tier: 'gold' }, destinations: [{ app: 'hello', weight: 100 }] })
  await eventually(() => copilot.value('route', 'pub/hello.mesh')?.labels.tier === 'gold')
  t.equal(copilot.value('route', 'pub/hello.mesh').destinations[0].weight, 100)
  for (const [name, condition] of Object.entries(syncer.conditions)) t.equal(condition().ready, true, name)
  await eventually(() => copilot.report?.ready)
  t.match(copilot.report, {
    version: /./,
    conflicts: [],
    counts: { route: 1 },
    sources: { bbs: { ageMs: Number }, cloudController: { ageMs: Number } },
  })
})

test('a full read that began before an event does not undo it', async (t) => {
  const platform = await neighbours(t)
  const { bbs, copilot, ports } = platform
  push(platform, 'hello')
  await platform.begin('cc', 'bbs', 'copilot')
  let release = (): void => {}
  const held = new Promise<void>((resolve) => (release = resolve))
  bbs.hold = (path) => (path === '/v1/actual_lrps/list' ? held : undefined)
  start(t, ports)
  await eventually(() => bbs.requests.includes('/v1/actual_lrps/list'))
  bbs.emit('actual_lrp_instance_created', { actualLrp: actualLrp({ process: 'p-hello', guid: 'new' }) })
  bbs.emit('actual_lrp_instance_removed', { actualLrp: actualLrp({ process: 'p-hello', guid: 'i-hello' }) })
  bbs.emit('desired_lrp_created', { desiredLrp: desiredLrp({ process: 'mark', hosts: ['mark.mesh'] }) })
  await new Promise((resolve) => setTimeout(resolve, 100))
  release()
  await eventually(() => copilot.value('instance', 'new'))
  t.equal(copilot.value('instance', 'i-hello'), undefined)
})

test('a stream that is cut, repeated or garbled is taken up again and what was missed is read', async (t) => {
  const platform = await neighbours(t)
  const { bbs, copilot, ports } = platform
  push(platform, 'hello')
  await platform.begin('cc', 'bbs', 'copilot')
  start(t, ports)
  await eventually(() => copilot.value('instance', 'i-hello'))
  for (const [round, harm] of [() => bbs.cut(), () => bbs.raw('no chunk\r\n'), () => bbs.raw('0\r\n\r\n')].entries()) {
    await eventually(() => bbs.streams === 1)
    harm()
    bbs.desired.set(
      'p-hello',
      desiredLrp({ process: 'p-hello', app: 'hello', hosts: ['hello.apps'], instances: round + 2, tag: { epoch: 'e', index: round + 1 } }),
    )
    await eventually(() => copilot.value('process', 'p-hello').instances === round + 2)
  }
  await eventually(() => bbs.streams === 1)
  bbs.emit('desired_lrp_changed', {
    after: desiredLrp({ process: 'p-hello', app: 'hello', hosts: ['hello.apps'], instances: 9, tag: { epoch: 'e', index: 1 } }),
  })
  bbs.emit('desired_lrp_created', { desiredLrp: desiredLrp({ process: 'mark', hosts: ['mark.mesh'] }) })
  await eventually(() => copilot.value('route', 'pub/mark.mesh'))
  t.equal(copilot.value('process', 'p-hello').instances, 4, 'an old event is no news')
})

test('while a neighbour is away the last good state stays, and all is well when it is back', async (t) => {
  const platform = await neighbours(t)
  const { cc, bbs, copilot, ports, up } = platform
  push(platform, 'hello')
  const syncer = start(t, ports)
  await eventually(() => syncer.conditions['bbs']!().reason && syncer.conditions['cloud-controller']!().reason)
  t.equal(syncer.conditions['copilot']!().ready, false)
  await platform.begin('bbs')
  await platform.begin('cc')
  await platform.begin('copilot')
  await eventually(() => copilot.value('route', 'pub/hello.mesh'))

  for (const path of ['/v3/routes', '/v3/audit_events'])
    cc.answers.set(
      path,
      Array.from({ length: 40 }, (_, index) => (index % 2 ? { status: 500 } : { status: 200, body: '<html>' })),
    )
  await eventually(() => syncer.conditions['cloud-controller']!().reason)
  await bbs.close()
  up.delete(bbs)
  await eventually(() => !syncer.conditions['bbs']!().ready)
  t.ok(copilot.value('route', 'pub/hello.mesh') && copilot.value('instance', 'i-hello'), 'nothing was taken away')
  cc.answers.clear()
  await platform.begin('bbs')
  push(platform, 'second')
  await eventually(
    () => copilot.value('route', 'pub/second.mesh')?.destinations[0].processes[0] === 'p-second' && copilot.value('instance', 'i-second'),
  )
  await eventually(() => Object.values(syncer.conditions).every((condition) => condition().ready))
})

test('copilot gets everything again when it has lost track, and missed nothing after it was away', async (t) => {
  const platform = await neighbours(t)
  const { bbs, copilot, ports, up } = platform
  push(platform, 'hello')
  await platform.begin('cc', 'bbs', 'copilot')
  start(t, ports)
  await eventually(() => copilot.value('route', 'pub/hello.mesh'))
  copilot.forgetEpoch()
  copilot.records.clear()
  bbs.emit('desired_lrp_created', { desiredLrp: desiredLrp({ process: 'x', hosts: ['x.mesh'] }) })
  await eventually(() => copilot.value('route', 'pub/hello.mesh') && copilot.value('route', 'pub/x.mesh'))

  copilot.refusals.push(500, 503)
  await copilot.close()
  up.delete(copilot)
  for (const index of [1, 2])
    bbs.emit('desired_lrp_changed', {
      after: desiredLrp({ process: 'x', hosts: ['x.mesh'], instances: index + 1, tag: { epoch: 'e', index } }),
    })
  bbs.emit('desired_lrp_created', { desiredLrp: desiredLrp({ process: 'y', hosts: ['y.mesh'] }) })
  await platform.begin('copilot')
  await eventually(() => copilot.value('route', 'pub/y.mesh') && copilot.value('process', 'x').instances === 3)
  t.equal(copilot.requests.filter((request) => request.startsWith('PUT /v1/sources')).length, 2, 'without sending all again')
})

test('a syncer whose source another has taken over stops sending, and says so', async (t) => {
  const platform = await neighbours(t)
  const { bbs, copilot, ports } = platform
  push(platform, 'hello')
  await platform.begin('cc', 'bbs', 'copilot')
  const syncer = start(t, ports)
  await eventually(() => copilot.value('route', 'pub/hello.mesh'))
  copilot.superseded = true
  const sends = (): number => copilot.requests.filter((request) => request.includes('/sources/')).length
  const condition = (part: string): Condition => syncer.conditions[part]!()
  bbs.emit('desired_lrp_created', { desiredLrp: desiredLrp({ process: 'x', hosts: ['x.mesh'] }) })
  await eventually(() => condition('copilot').reason?.includes('another syncer'))
  const before = sends()
  bbs.emit('desired_lrp_created', { desiredLrp: desiredLrp({ process: 'y', hosts: ['y.mesh'] }) })
  await eventually(() => condition('bbs')['processes'] === 3 && copilot.report?.ready === false)
  t.equal(sends(), before)
  t.match(condition('copilot'), { ready: false, pending: 0 })
})

test('with Cloud Controller away at start, what copilot still has stands in for it', async (t) => {
  const platform = await neighbours(t)
  const { cc, bbs, copilot, ports } = platform
  push(platform, 'hello')
  cc.route({ guid: 'stopped', url: 'stopped.mesh', destinations: [{ app: 'sleeper', weight: 100 }], labels: { tier: 'gold' } })
  await platform.begin('cc', 'bbs', 'copilot')
  const before = start(t, ports)
  await eventually(() => copilot.value('route', 'pub/stopped.mesh') && copilot.value('route', 'pub/hello.mesh'))
  await before.stop()
  await cc.close()
  platform.up.delete(cc)

  bbs.desired.set(
    'p-hello',
    desiredLrp({ process: 'p-hello', app: 'hello', hosts: ['hello.apps', 'more.apps'], tag: { epoch: 'e', index: 1 } }),
  )
  const after = start(t, ports, { cloudController: { patience: 200 } })
  await eventually(() => copilot.value('route', 'pub/more.mesh'))
  t.match(copilot.value('route', 'pub/stopped.mesh'), {
    guid: 'stopped',
    labels: { tier: 'gold' },
    destinations: [{ app: 'sleeper', weight: 100, processes: [] }],
  })
  t.match(copilot.value('route', 'pub/hello.mesh'), { guid: 'r-hello', mirrors: 'hello.apps' })
  t.equal(after.conditions['cloud-controller']!().ready, false)

  cc.remove('/v3/routes', 'stopped')
  cc.route({ guid: 'r-more', url: 'more.apps', domain: 'apps', destinations: [{ app: 'hello' }] })
  await platform.begin('cc')
  await eventually(() => !copilot.value('route', 'pub/stopped.mesh') && copilot.value('route', 'pub/more.mesh')?.guid === 'r-more')
})

test('a held removal is reported and carried out by an operator’s order', async (t) => {
  const platform = await neighbours(t)
  const { bbs, copilot, ports } = platform
  for (let n = 0; n < 5; n++) push(platform, `app${n}`)
  await platform.begin('cc', 'bbs', 'copilot')
  const syncer = start(t, ports, { bbs: { fullInterval: 50 } })
  await eventually(() => copilot.value('instance', 'i-app4'))
  bbs.actual.clear()
  const held = await eventually(() => copilot.report?.held)
  t.match(held, { source: 'bbs', removes: { instances: 5 } })
  t.ok(copilot.value('instance', 'i-app0'))
  const metrics = createMetrics('test')
  syncer.register(metrics)
  const text = await metrics.metrics()
  t.match(text, /mesh_sync_held\{.*\} 1/)
  t.match(text, /mesh_source_age_seconds\{source="bbs".*\} \d/)
  copilot.orders = { acceptSync: held.id }
  await eventually(() => !copilot.value('instance', 'i-app0') && !copilot.value('instance', 'i-app4'))
  await eventually(() => copilot.report && !copilot.report.held)
})

test('a full read of BBS that fails is begun again soon, however long its interval', async (t) => {
  const platform = await neighbours(t)
  const { bbs, copilot, ports } = platform
  push(platform, 'hello')
  bbs.answers.set('/v1/actual_lrps/list', 'HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
  await platform.begin('cc', 'bbs', 'copilot')
  start(t, ports, { bbs: { fullInterval: 86_400_000 } })
  await eventually(() => bbs.requests.includes('/v1/actual_lrps/list'))
  bbs.answers.clear()
  await eventually(() => copilot.value('route', 'pub/hello.mesh'))
})
