import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync, statSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { test } from 'tap'
import { ask } from '../support/client.ts'
import { isAlive } from '../support/processes.ts'
import { Started } from '../support/started.ts'
import { eventually } from '../support/wait.ts'

const start = new Started()
const main = resolve(import.meta.dirname, '../../src/start/main.ts')
const startSync = (...args: string[]) => spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', timeout: 20_000 })

test('the sample answers as soon as everything is up, over HTTP and HTTPS', async (t) => {
  await start.ready()
  t.match(await start.hello(), { status: 200, body: /^Hello from hello, instance 0/ })
  const { domains, caFile } = start.info
  t.match(await ask(start.router.https, `hello.${domains.mesh}`, { tls: { ca: readFileSync(caFile) } }), { status: 200 })
})

test('what is printed and ready.json say where everything is', (t) => {
  const { urls, credentials, caFile, domains, pids } = start.info
  for (const said of [
    urls.cloudController,
    urls.copilot,
    credentials.user,
    credentials.password,
    domains.mesh,
    caFile,
    `curl http://hello.${domains.mesh}:${start.router.http}/`,
  ])
    t.match(start.output, said)
  t.match(credentials.password, /^[0-9a-f]{24}$/, 'cf takes no such password for an option')
  t.same(Object.keys(pids).toSorted(), ['copilot', 'foundation', 'istio-router', 'pilot', 'route-syncer', 'start'])
  for (const pid of Object.values(pids)) process.kill(pid, 0)
  t.equal(statSync(join(start.data, 'ready.json')).mode & 0o077, 0, 'it holds a password')
  t.end()
})

test('each change of an app is effective at the router', async (t) => {
  const { apps, cc } = await start.apps()
  const host = (name: string) => `${name}.${start.info.domains.mesh}`
  const app = await apps.push({ name: 'shop', path: resolve('examples/hello') }, () => {})
  await eventually(async () => (await start.hello('shop')).status === 200)

  await apps.map(app, `${host('store')}/v1`)
  await eventually(async () => (await start.hello('store', '/v1/x')).status === 200)
  t.equal((await start.hello('store', '/v2')).status, 404)
  await apps.unmap(app, `${host('store')}/v1`)
  await eventually(async () => (await start.hello('store', '/v1/x')).status === 404)

  await apps.scale(app, 3)
  const seen = new Set<string>()
  await eventually(async () => seen.add(/instance \d/.exec((await start.hello('shop')).body)?.[0] ?? '').size === 3)
  await apps.scale(app, 1)
  await eventually(async () => {
    const answers = await Promise.all([...Array(12)].map(() => start.hello('shop')))
    return answers.every(({ body }) => body.includes('instance 0'))
  })

  await apps.stop(app)
  const down = await eventually(async () => {
    const answer = await start.hello('shop')
    return answer.status === 503 && answer
  })
  t.equal(down.headers['x-cf-routererror'], 'no_endpoints')
  await apps.start(app)
  await eventually(async () => (await start.hello('shop')).status === 200)
  await apps.delete(app)
  const gone = await eventually(async () => {
    const answer = await start.hello('shop')
    return answer.status === 404 && answer
  })
  t.equal(gone.headers['x-cf-routererror'], 'unknown_route')
  await cc.close()
})

test('an app calls another over the mesh-internal domain, with what its environment gives it', async (t) => {
  const { apps, cc } = await start.apps()
  const path = resolve(import.meta.dirname, 'caller-app')
  const caller = await apps.push({ name: 'caller', path }, () => {})
  await apps.push({ name: 'callee', path, routes: ['callee.apps.mesh.internal'] }, () => {})
  const { guid: space } = (await cc.find('/v3/spaces?names=dev'))!
  for (const way of ['/callee', '/plain/callee']) {
    const { body } = await eventually(async () => {
      const answer = await start.hello('caller', way)
      return answer.status === 200 && answer
    })
    const headers = JSON.parse(body) as Record<string, string>
    t.equal(headers['host'], 'callee.apps.mesh.internal')
    const identity = headers['x-forwarded-client-cert']
    if (way === '/callee') for (const unit of [`OU=app:${caller.guid}`, `OU=space:${space}`]) t.match(identity, unit)
    else t.notOk(identity, 'who calls without TLS is not known')
  }
  t.equal((await start.hello('caller', '/nobody')).status, 404)
  t.equal((await ask(start.router.http, 'callee.apps.mesh.internal')).status, 404, 'nobody outside can call it')
  for (const name of ['caller', 'callee']) await apps.delete(await apps.get(name))
  await cc.close()
})

test(
  'the programs talk over their real sockets, and only as the architecture says',
  { skip: process.platform !== 'linux' && 'reads /proc' },
  async (t) => {
    const [[container = 0] = []] = Object.values(await onlyHello())
    const pids = { ...start.info.pids, instance: container }
    const sockets = connections(pids)
    const talks = (from: string, to: string) => sockets.some((socket) => socket.from === from && socket.to === to)
    for (const [from, to] of [
      ['route-syncer', 'foundation'],
      ['route-syncer', 'copilot'],
      ['pilot', 'copilot'],
      ['istio-router', 'pilot'],
      ['istio-router', 'instance'],
    ] as const) {
      if (to === 'instance') await start.hello()
      await eventually(() => talks(from, to) || connections(pids).some((socket) => socket.from === from && socket.to === to))
    }
    for (const [from, to] of [
      ['pilot', 'foundation'],
      ['istio-router', 'foundation'],
      ['istio-router', 'copilot'],
      ['route-syncer', 'pilot'],
    ] as const)
      t.notOk(talks(from, to), `${from} → ${to}`)
  },
)

for (const program of ['copilot', 'pilot', 'route-syncer', 'foundation']) {
  test(`while ${program} is killed and comes back, every request is answered`, async (t) => {
    const failures: string[] = []
    let going = true
    const load = (async () => {
      while (going) {
        const answer = await start.hello().catch((error: Error) => ({ status: 0, body: error.message }))
        if (answer.status !== 200) failures.push(`${answer.status} ${answer.body}`)
      }
    })()
    const instances = await onlyHello()
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      const before = start.info.pids[program]
      process.kill(before ?? 0, signal)
      await eventually(() => start.info.pids[program] !== before, 20_000)
      // All is well again when a change comes through.
      const host = `after-${signal.toLowerCase()}-of-${program}`
      await eventually(async () => mapHello(host), 20_000)
      await eventually(async () => (await start.hello(host)).status === 200, 20_000)
    }
    going = false
    await load
    t.same(failures, [])
    t.same(containers(start.data), instances, 'and the instances are the same')
  })
}

test('a second start in the same folder is refused', (t) => {
  const second = startSync('--data', start.data)
  t.equal(second.status, 1)
  t.match(second.stderr, /already runs/)
  t.end()
})

test('Ctrl-C stops every process, those of the apps too, and the next start has its state', async (t) => {
  await mapHello('kept')
  const { pids } = start.info
  const instances = await onlyHello()
  // Also when there is no foundation that could do it.
  process.kill(pids['foundation'] ?? 0, 'SIGKILL')
  await start.stop('SIGINT')
  t.equal(start.child.exitCode, 0, start.output.slice(-500))
  for (const [name, pid] of Object.entries(pids)) t.throws(() => process.kill(pid, 0), `${name} is gone`)
  for (const pid of Object.values(instances).flat()) t.notOk(isAlive(pid), 'and so is what it ran')

  const again = new Started([], start.data)
  t.teardown(() => again.stop())
  await again.ready()
  await eventually(async () => (await again.hello('kept')).status === 200, 20_000)

  const { pids: second } = again.info
  for (const stream of [again.child.stdout, again.child.stderr]) stream?.destroy()
  await again.stop('SIGHUP')
  t.equal(again.child.exitCode, 0, 'also where its terminal is closed')
  for (const [name, pid] of Object.entries(second)) t.throws(() => process.kill(pid, 0), `${name} is gone`)
})

test('a busy port, an unusable folder and a wrong argument are a sentence that says what to do', async (t) => {
  const data = mkdtempSync(join(tmpdir(), 'mesh-start-'))
  t.teardown(() => rmSync(data, { recursive: true, force: true }))
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const busy = startSync('--data', data, '--http-port', String((server.address() as AddressInfo).port))
  server.close()
  t.equal(busy.status, 1)
  t.match(busy.stderr, /Port \d+ of 127\.0\.0\.1 is in use\. .*--http-port/)

  const folder = startSync('--data', '/dev/null/nowhere')
  t.equal(folder.status, 1)
  t.match(folder.stderr, /Cannot use the data folder \/dev\/null\/nowhere: .* --data/)

  const wrong = startSync('--engine', 'nginx')
  t.not(wrong.status, 0)
  t.match(wrong.stderr, /embedded, envoy/)
  const help = startSync('--help')
  t.equal(help.status, 0)
  for (const option of [
    '--data',
    '--fresh',
    '--engine',
    '--routers',
    '--http-port',
    '--https-port',
    '--cc-port',
    '--apps-domain',
    '--mesh-domain',
    '--no-mirror',
    '--no-sample',
    '--log-level',
  ])
    t.match(help.stdout, option)
})

test('nothing is left', () => start.discard())

/** Maps hello to HOST on the mesh domain. */
async function mapHello(host: string): Promise<boolean> {
  const { apps, cc } = await start.apps()
  await apps.map(await apps.get('hello'), `${host}.${start.info.domains.mesh}`)
  await cc.close()
  return true
}

/** The instances, once those of other tests have gone. */
const onlyHello = () => eventually(() => Object.keys(containers(start.data)).length === 1 && containers(start.data))

/** The process ids of each instance: of its container and of its app. */
function containers(data: string): Record<string, number[]> {
  const folder = join(data, 'foundation/containers')
  const pid = (guid: string, file: string): number => Number.parseInt(readFileSync(join(folder, guid, file), 'utf8'))
  return Object.fromEntries(readdirSync(folder).map((guid) => [guid, [pid(guid, 'container.pid'), pid(guid, 'app.pid')]]))
}

interface Connection {
  from: string
  to: string
}

/** Established TCP connections between the programs, from /proc: who dials whom. */
function connections(pids: Record<string, number>): Connection[] {
  const owners = new Map<string, string>()
  for (const [name, pid] of Object.entries(pids)) {
    for (const fd of readdirSync(`/proc/${pid}/fd`)) {
      try {
        const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1]
        if (inode) owners.set(inode, name)
      } catch {}
    }
  }
  const rows = ['/proc/net/tcp', '/proc/net/tcp6']
    .flatMap((file) => readFileSync(file, 'utf8').split('\n').slice(1))
    .map((line) => line.trim().split(/\s+/))
  const portOf = (address = ''): number => Number.parseInt(address.split(':')[1] ?? '', 16)
  const listeners = new Map(rows.filter(([, , , state]) => state === '0A').map((row) => [portOf(row[1]), owners.get(row[9] ?? '')]))
  return rows
    .filter(([, , , state]) => state === '01')
    .map((row) => ({ from: owners.get(row[9] ?? '') ?? '', to: listeners.get(portOf(row[2])) ?? '' }))
    .filter(({ from, to }) => from && to && from !== to)
}
