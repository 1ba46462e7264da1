import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { ActualLRPsRequestSchema, ActualLRPsResponseSchema } from '../../../src/common/proto/gen/bbs_pb.js'
import { ProcessGroup } from '../../../src/foundation/diego/container/process-group.ts'
import type { Crash, InstanceState } from '../../../src/foundation/diego.ts'
import type { EmbeddedDiego } from '../../../src/foundation/diego/index.ts'
import { diegoIn, eventually, startDiego, webProcess } from './harness.ts'
import { isAlive } from '../../support/processes.ts'
import { call, subscribe } from './wire.ts'

const hello = {
  'app.js': `require('http').createServer((q, s) => s.end(JSON.stringify(process.env))).listen(process.env.PORT, () => console.log('listening'))`,
}

test('an instance starts, is given what Diego gives, and goes when it is removed', async (t) => {
  const { diego, droplet } = await startDiego(t)
  process.env['SECRET_OF_THE_FOUNDATION'] = 'x'
  t.teardown(() => delete process.env['SECRET_OF_THE_FOUNDATION'])
  const dropletGuid = await droplet(hello)
  diego.desire(webProcess('p-1', dropletGuid, { environment: { COLOUR: 'blue', VCAP_APPLICATION: '{"name":"dora"}' } }))
  t.match(diego.instances('p-1'), [{ index: 0, state: 'STARTING' }])
  const [instance] = await eventually(
    'running',
    () => diego.instances('p-1').every(({ state }) => state === 'RUNNING') && diego.instances('p-1'),
  )
  const { external } = instance!.ports[0]!
  const env = (await (await fetch(`http://127.0.0.1:${external}/`)).json()) as Record<string, string>
  t.match(env, {
    COLOUR: 'blue',
    PORT: `${external}`,
    VCAP_APP_PORT: `${external}`,
    CF_INSTANCE_GUID: instance!.instanceGuid,
    CF_INSTANCE_INDEX: '0',
    CF_INSTANCE_ADDR: `127.0.0.1:${external}`,
    CF_INSTANCE_INTERNAL_IP: '127.0.0.1',
    MEMORY_LIMIT: '64m',
  })
  t.match(JSON.parse(env['VCAP_APPLICATION']!), {
    name: 'dora',
    instance_id: instance!.instanceGuid,
    instance_index: 0,
    host: '0.0.0.0',
    port: external,
  })
  t.notOk('SECRET_OF_THE_FOUNDATION' in env)
  t.ok(diego.instances('p-1')[0]!.usage.memory > 1e6)

  diego.remove('p-1')
  await eventually('refused', () =>
    fetch(`http://127.0.0.1:${external}/`).then(
      () => false,
      () => true,
    ),
  )
  t.same(diego.instances('p-1'), [])
  await eventually('logged', () => diego.logs('app-of-p-1', { limit: 100 }).some(({ message }) => message.includes('destroyed container')))
  const logs = diego.logs('app-of-p-1', {})
  t.match(
    logs.filter(({ sourceType }) => sourceType === 'CELL').map(({ message }) => message),
    [
      /^Cell cell-1 creating container for instance /,
      /^Cell cell-1 successfully created container for instance /,
      /^Starting health monitoring of container/,
      /^Container became healthy/,
      /^Cell cell-1 stopping instance /,
      /^Cell cell-1 successfully destroyed container for instance /,
    ],
  )
  t.match(
    logs.filter(({ sourceType }) => sourceType === 'APP/PROC/WEB').map(({ message }) => message),
    ['listening'],
  )
})

test('instances are spread over zones, and scaled and rerouted in place', async (t) => {
  const { diego, droplet } = await startDiego(t)
  const process = webProcess('p-1', await droplet(hello), { instances: 2 })
  diego.desire(process)
  const running = (count: number) =>
    eventually(`${count} running`, () => {
      const instances = diego.instances('p-1')
      return instances.length === count && instances.every(({ state }) => state === 'RUNNING') && instances
    })
  const before = await running(2)
  const { actualLrps } = await call(diego.bbsPort, '/v1/actual_lrps/list', ActualLRPsRequestSchema, {}, ActualLRPsResponseSchema)
  t.same(actualLrps.map(({ availabilityZone }) => availabilityZone).toSorted(), ['z1', 'z2'])
  t.match(actualLrps[0]!.actualLrpNetInfo, {
    address: '127.0.0.1',
    preferredAddress: 2,
    ports: [{ containerPort: 8080, containerTlsProxyPort: 61001 }],
  })

  const stream = await subscribe(diego.bbsPort)
  diego.desire({
    ...process,
    instances: 3,
    routes: [{ hostname: 'a.test/v2', port: 8080, protocol: 'http2', options: { loadbalancing: 'hash' } }],
  })
  const after = await running(3)
  t.same(
    after.slice(0, 2).map(({ instanceGuid }) => instanceGuid),
    before.map(({ instanceGuid }) => instanceGuid),
    'those that ran go on',
  )
  const changed = await eventually('told', () => stream.messages.find(({ name }) => name === 'desired_lrp_changed'))
  t.same(JSON.parse(Buffer.from(changed.message['after'].routes.routes['cf-router']).toString()), [
    { hostnames: ['a.test/v2'], port: 8080, protocol: 'http2', options: { loadbalancing: 'hash' } },
  ])

  diego.desire({ ...process, internalRoutes: [{ hostname: 'a.apps.internal' }] })
  t.equal(diego.instances('p-1').length, 2)
  await eventually('gone', () =>
    fetch(`http://127.0.0.1:${after[2]!.ports[0]!.external}/`).then(
      () => false,
      () => true,
    ),
  )
  await eventually('removed', () => stream.names.includes('actual_lrp_instance_removed'))
  const internal = await call(
    diego.bbsPort,
    '/v1/actual_lrps/list',
    ActualLRPsRequestSchema,
    { processGuid: 'p-1', index: 0 },
    ActualLRPsResponseSchema,
  )
  t.match(internal.actualLrps, [{ actualLrpInternalRoutes: [{ hostname: 'a.apps.internal' }] }])
  const count = stream.names.length
  diego.desire({ ...process, internalRoutes: [{ hostname: 'a.apps.internal' }] })
  diego.remove('p-1')
  await eventually('told', () => stream.names.length > count)
  t.equal(stream.names[count], 'desired_lrp_removed', 'desiring what is there already tells nothing')
})

test('a crashing app is started again at once, then after growing delays, each time as a new instance', async (t) => {
  const { diego, droplet } = await startDiego(t)
  const stream = await subscribe(diego.bbsPort)
  const told: Crash[] = []
  diego.onCrash((crash) => told.push(crash))
  diego.desire(webProcess('p-1', await droplet({ 'app.js': 'console.error("out of luck"); process.exit(3)' })))
  await eventually('crashes', () => stream.names.filter((name) => name === 'actual_lrp_crashed').length === 4)
  const crashes = stream.messages.filter(({ name }) => name === 'actual_lrp_crashed').map(({ message }) => message)
  t.same(
    crashes.map(({ crashCount }) => crashCount),
    [1, 2, 3, 4],
  )
  t.equal(new Set(crashes.map(({ actualLrpInstanceKey }) => actualLrpInstanceKey.instanceGuid)).size, 4)
  t.equal(crashes[0]!['crashReason'], 'APP/PROC/WEB: Exited with status 3')
  t.match(told[0], {
    processGuid: 'p-1',
    instanceGuid: crashes[0]!['actualLrpInstanceKey'].instanceGuid,
    cellId: 'cell-1',
    index: 0,
    count: 1,
    reason: 'APP/PROC/WEB: Exited with status 3',
  })
  t.match(diego.instances('p-1'), [{ details: 'APP/PROC/WEB: Exited with status 3' }])
  const waited = stream.messages.filter(
    ({ name, message }) => name === 'actual_lrp_instance_changed' && message['after'].state === 'CRASHED',
  )
  t.match(
    waited.map(({ message }) => message['after'].crashCount),
    [3, 4],
    'the first two started again at once',
  )
  const [third, fourth] = crashes.slice(2).map(({ since }) => Number(since) / 1e6)
  t.ok(fourth! - third! >= 200, 'and then after the delay')
  const logs = diego.logs('app-of-p-1', { limit: 1000 })
  t.match(
    logs.find(({ message }) => message === 'out of luck'),
    { sourceType: 'APP/PROC/WEB', instance: '0', type: 'ERR' },
  )
  t.ok(logs.some(({ message }) => message === 'Exit status 3'))
})

test('a port that never opens, and an http check that never passes, are crashes with the reason', async (t) => {
  const { diego, droplet } = await startDiego(t)
  const dropletGuid = await droplet({
    'silent.js': 'setInterval(() => {}, 1000)',
    'sick.js': `require('http').createServer((q, s) => { s.statusCode = q.url === '/ok' ? 200 : 500; s.end() }).listen(process.env.PORT)`,
  })
  const check = (type: 'port' | 'http' | 'process', timeoutMs: number, endpoint = '/health') => ({ type, endpoint, timeoutMs })
  diego.desire(webProcess('port', dropletGuid, { command: 'node silent.js', healthCheck: check('port', 700) }))
  diego.desire(webProcess('http', dropletGuid, { command: 'node sick.js', healthCheck: check('http', 3000) }))
  diego.desire(webProcess('ok', dropletGuid, { command: 'node sick.js', healthCheck: check('http', 20_000, '/ok') }))
  diego.desire(
    webProcess('worker', dropletGuid, { command: 'node silent.js', type: 'worker', ports: [], healthCheck: check('process', 20_000) }),
  )
  await eventually('running', () => ['ok', 'worker'].every((guid) => diego.instances(guid)[0]!.state === 'RUNNING'))
  const details = await eventually(
    'crashed',
    () =>
      diego.instances('port')[0]!.details &&
      diego.instances('http')[0]!.details && [diego.instances('port')[0]!.details, diego.instances('http')[0]!.details],
  )
  t.match(details, [
    /^Instance never healthy after 0\.7s: Failed to make TCP connection to 127\.0\.0\.1:\d+: connection refused$/,
    /^Instance never healthy after 3s: Failed to make http request to 'http:.*\/health': received status code 500$/,
  ])
})

test('a running instance that no longer passes its check is replaced', async (t) => {
  const { diego, droplet } = await startDiego(t, { livenessCheckIntervalMs: 50 })
  const code = `let sick = false; require('http').createServer((q, s) => { if (q.url === '/poison') sick = true; s.statusCode = sick ? 503 : 200; s.end() }).listen(process.env.PORT)`
  diego.desire(webProcess('p-1', await droplet({ 'app.js': code }), { healthCheck: { type: 'http', endpoint: '/' } }))
  const first = await eventually('running', () => diego.instances('p-1').find(({ state }) => state === 'RUNNING'))
  await fetch(`http://127.0.0.1:${first.ports[0]!.external}/poison`)
  const second = await eventually('another', () =>
    diego.instances('p-1').find(({ state, instanceGuid }) => state === 'RUNNING' && instanceGuid !== first.instanceGuid),
  )
  t.match(second.details, /^Instance became unhealthy: /)
})

test('an app with children ends as a whole: those that obey at once, the others after the grace period', async (t) => {
  const { diego, droplet, dataDir } = await startDiego(t, { stopGraceMs: 400 })
  const files = {
    'app.js': `
      const { spawn } = require('child_process')
      const child = spawn('node', ['stubborn.js'])
      const server = require('http').createServer((q, s) => s.end(JSON.stringify([process.pid, child.pid])))
      child.stdout.once('data', () => server.listen(process.env.PORT))
      process.on('SIGTERM', () => { require('fs').writeFileSync(process.env.GOODBYE, 'goodbye'); process.exit() })`,
    'stubborn.js': `process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); console.log('ready')`,
  }
  const goodbye = join(dataDir, 'goodbye')
  diego.desire(webProcess('p-1', await droplet(files), { command: 'echo begin; node app.js', environment: { GOODBYE: goodbye } }))
  const { ports } = await eventually('running', () => diego.instances('p-1').find(({ state }) => state === 'RUNNING'))
  const pids = (await (await fetch(`http://127.0.0.1:${ports[0]!.external}/`)).json()) as number[]
  const began = Date.now()
  diego.remove('p-1')
  await eventually('all gone', () => !pids.some(isAlive))
  t.ok(Date.now() - began >= 400, 'the stubborn one had its time')
  t.equal(await readFile(goodbye, 'utf8'), 'goodbye', 'it was asked first')
})

test('a restarted instance is replaced by another', async (t) => {
  const { diego, droplet } = await startDiego(t)
  diego.desire(webProcess('p-1', await droplet(hello), { instances: 2 }))
  const running = () => diego.instances('p-1').every(({ state }) => state === 'RUNNING') && diego.instances('p-1')
  const before = await eventually('running', running)
  diego.restartInstance('p-1', 1)
  const after = await eventually('another', () => {
    const instances = running()
    return instances && instances[1]!.instanceGuid !== before[1]!.instanceGuid && instances
  })
  t.equal(after[0]!.instanceGuid, before[0]!.instanceGuid)
})

test('what a killed foundation left running is ended at the next start', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'diego-test-'))
  const folder = join(dataDir, 'containers', 'left-behind')
  await mkdir(folder, { recursive: true })
  const orphan = new ProcessGroup({
    command: 'sleep 1000 & sleep 1000',
    folder,
    environment: { PATH: process.env['PATH']! },
    pidFile: join(folder, 'app.pid'),
  })
  // A process that has since got the number of another's is not ours.
  const innocent = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' })
  t.teardown(() => innocent.kill())
  await mkdir(join(dataDir, 'containers', 'long-gone'))
  await writeFile(join(dataDir, 'containers', 'long-gone', 'app.pid'), `${innocent.pid} 1`)
  await startDiego(t, { dataDir })
  t.equal(await orphan.ended, 'Terminated by SIGKILL')
  t.ok(isAlive(innocent.pid!))
  t.same(await readdir(join(dataDir, 'containers')), [])
})

test('instances outlive a foundation that is killed: the next one takes them over as they are', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'diego-test-'))
  const first = await startDiego(t, { dataDir, handoverMs: 60_000 })
  const code = `require('http').createServer((q, s) => s.end(process.env.CF_INSTANCE_GUID)).listen(process.env.PORT); setInterval(() => console.log('tick'), 20)`
  const wanted = webProcess('p-1', await first.droplet({ 'app.js': code }), {
    instances: 2,
    internalRoutes: [{ hostname: 'a.apps.internal' }],
  })
  const unwanted = { ...wanted, processGuid: 'p-2', appGuid: 'app-of-p-2', instances: 1 }
  for (const process of [wanted, unwanted]) first.diego.desire(process)
  const running = (diego: EmbeddedDiego, guid: string) =>
    eventually('running', () => diego.instances(guid).every(({ state }) => state === 'RUNNING') && diego.instances(guid))
  const [before, other] = [await running(first.diego, 'p-1'), await running(first.diego, 'p-2')]
  await first.diego.stop()

  const next = restartOf(t, dataDir)
  await next.adopt()
  next.desire({ ...wanted, instances: 3 })
  const same = ({ instanceGuid, host, ports, state, since }: InstanceState) => ({ instanceGuid, host, ports, state, since })
  t.same(next.instances('p-1').slice(0, 2).map(same), before.map(same), 'at once, before BBS serves')
  await next.start()
  const { actualLrps } = await call(
    next.bbsPort,
    '/v1/actual_lrps/list',
    ActualLRPsRequestSchema,
    { processGuid: 'p-1', index: 0 },
    ActualLRPsResponseSchema,
  )
  t.match(actualLrps, [{ state: 'RUNNING', actualLrpInternalRoutes: [{ hostname: 'a.apps.internal' }], availabilityZone: 'z1' }])
  t.equal((await running(next, 'p-1')).length, 3, 'and what is missing is started')
  t.equal(await (await fetch(`http://127.0.0.1:${before[0]!.ports[0]!.external}/`)).text(), before[0]!.instanceGuid)
  await eventually('logs', () => next.logs('app-of-p-1', {}).some(({ message }) => message === 'tick'))
  await eventually('what nobody wants any more is ended', () =>
    fetch(`http://127.0.0.1:${other[0]!.ports[0]!.external}/`).then(
      () => false,
      () => true,
    ),
  )
  next.remove('p-1')
  await eventually('all gone', async () => (await readdir(join(dataDir, 'containers'))).length === 0)
})

test('an app that ended while there was no foundation is a crash to the next one', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'diego-test-'))
  const first = await startDiego(t, { dataDir, handoverMs: 60_000 })
  const wanted = webProcess(
    'p-1',
    await first.droplet({
      'app.js': `require('http').createServer((q, s) => q.url === '/end' ? process.exit(7) : s.end()).listen(process.env.PORT)`,
    }),
  )
  first.diego.desire(wanted)
  const [before] = await eventually('running', () => first.diego.instances('p-1')[0]!.state === 'RUNNING' && first.diego.instances('p-1'))
  await first.diego.stop()
  await fetch(`http://127.0.0.1:${before!.ports[0]!.external}/end`).catch(() => {})

  const next = restartOf(t, dataDir)
  await next.adopt()
  next.desire(wanted)
  await next.start()
  const after = await eventually('another', () =>
    next.instances('p-1').find(({ state, instanceGuid }) => state === 'RUNNING' && instanceGuid !== before!.instanceGuid),
  )
  t.equal(after.details, 'APP/PROC/WEB: Exited with status 7')
})

test('without a next foundation, instances end after the handover; without a handover, with the foundation', async (t) => {
  for (const handoverMs of [0, 1000]) {
    const { diego, dataDir, droplet } = await startDiego(t, { handoverMs })
    diego.desire(webProcess('p-1', await droplet(hello)))
    const [instance] = await eventually('running', () => diego.instances('p-1')[0]!.state === 'RUNNING' && diego.instances('p-1'))
    const pids = ['container.pid', 'app.pid'].map((file) =>
      parseInt(readFileSync(join(dataDir, 'containers', instance!.instanceGuid, file), 'utf8')),
    )
    await diego.stop()
    t.equal(pids.every(isAlive), handoverMs > 0)
    await eventually('gone', () => !pids.some(isAlive))
  }
})

test('a container whose process is killed is a crash, and leaves nothing running', async (t) => {
  const { diego, dataDir, droplet } = await startDiego(t)
  diego.desire(webProcess('p-1', await droplet(hello)))
  const [before] = await eventually('running', () => diego.instances('p-1')[0]!.state === 'RUNNING' && diego.instances('p-1'))
  const [container, app] = ['container.pid', 'app.pid'].map((file) =>
    parseInt(readFileSync(join(dataDir, 'containers', before!.instanceGuid, file), 'utf8')),
  )
  process.kill(container!, 'SIGKILL')
  await eventually('another', () =>
    diego.instances('p-1').find(({ state, instanceGuid }) => state === 'RUNNING' && instanceGuid !== before!.instanceGuid),
  )
  t.notOk(isAlive(app!))
})

test('a droplet that is not there is a crash, not the end of the cell', async (t) => {
  const { diego, droplet } = await startDiego(t)
  diego.desire(webProcess('none', 'no-such-droplet'))
  diego.desire(webProcess('good', await droplet(hello)))
  await eventually('running', () => diego.instances('good')[0]!.state === 'RUNNING')
  await eventually('crashed', () => diego.instances('none')[0]!.details?.includes('no-such-droplet'))
  t.pass()
})

test('more routes than BBS takes are refused, the app is told, and what was there goes on', async (t) => {
  const { diego, droplet } = await startDiego(t)
  const process = webProcess('p-1', await droplet(hello))
  diego.desire(process)
  await eventually('running', () => diego.instances('p-1')[0]!.state === 'RUNNING')
  diego.desire({ ...process, routes: Array.from({ length: 2000 }, (_, n) => ({ hostname: `${'x'.repeat(60)}-${n}.test`, port: 8080 })) })
  t.match(diego.logs('app-of-p-1', { descending: true, limit: 1 }), [{ sourceType: 'API', message: /Invalid field: routes/ }])
  t.match(diego.instances('p-1'), [{ state: 'RUNNING' }])
})

/** Another Diego over the folder of one that is gone. */
function restartOf(t: Test, dataDir: string): EmbeddedDiego {
  const diego = diegoIn(dataDir)
  t.teardown(() => diego.stop())
  return diego
}
