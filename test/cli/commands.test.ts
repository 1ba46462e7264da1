import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join, resolve } from 'node:path'
import tap, { test } from 'tap'
import { Copilot } from '../copilot/harness.ts'
import { hello, route } from '../copilot/records.ts'
import { meshctl as run, root, runMeshctl, type Outcome } from './meshctl.ts'

const copilot = await Copilot.start(tap)
await copilot.put('e1', [
  ...hello,
  route('hello.mesh.test', 'hello-guid', [], { path: '/stopped' }),
  route('old.mesh.test', 'hello-guid', ['hello-p'], { mirrors: 'old.apps.test', options: { loadbalancing: 'hash' } }),
])

const meshctl = (...args: string[]): Promise<Outcome> => run(args, { MESH_API: copilot.api })
const held = {
  id: 'h1',
  since: new Date().toISOString(),
  source: 'cf',
  reason: 'more than 20 % would go',
  removes: { routes: 60, instances: 1 },
}
const conflicts = [{ key: 'pub/hello.mesh.test', route: 'r2', space: 'other', servedSpace: 'space', reason: 'the host is mirrored' }]

const soon = (seconds: number): string => new Date(Date.now() + seconds * 1000).toISOString()
const ejections = [
  {
    cluster: 'pub/hello.mesh.test',
    instance: 'i-1',
    address: '10.0.0.1:62001',
    state: 'open',
    since: soon(-5),
    until: soon(25),
    times: 2,
    cause: 'consecutive-5xx',
  },
  {
    cluster: 'rule/v1//apps space/hello',
    instance: 'i-0',
    address: '10.0.0.1:62000',
    state: 'half-open',
    since: soon(-60),
    until: soon(-30),
    times: 1,
    cause: 'consecutive-gateway-failure',
  },
]

/** What components say every few seconds. */
async function report(): Promise<void> {
  await copilot.as('route-syncer', 'PUT', '/v1/components/route-syncer/s1', { version: '9.9.9', ready: true, held, conflicts })
  await copilot.as('pilot', 'PUT', '/v1/components/pilot/p1', {
    version: '9.9.9',
    ready: true,
    revision: 1,
    routers: [
      {
        name: 'r1',
        zone: 'z1',
        address: '10.0.0.9:1',
        connectedSince: new Date().toISOString(),
        lag: 2,
        refusals: 1,
        refused: [{ typeUrl: 'x/envoy.config.listener.v3.Listener', name: 'https', reason: 'the port is busy' }],
        ejections,
      },
    ],
  })
}
tap.beforeEach(report)

test('routes', async (t) => {
  const { code, out, err } = await meshctl('routes')
  t.equal(code, 0, err)
  const lines = out.trimEnd().split('\n')
  t.match(lines[0], /^ROUTE +STATE +INSTANCES +APPS +OWNER +NOTES$/)
  t.match(lines[1], /^hello\.mesh\.test +serving +2\/2 +hello +acme\/dev +1 conflict$/)
  t.match(lines[2], /^hello\.mesh\.test\/stopped +503 +0\/0 +hello +acme\/dev$/)
  t.match(lines[3], /^old\.mesh\.test +serving .* mirrors old\.apps\.test, 1 note$/)
  t.notMatch(out, '\x1b', 'no colours without a terminal')
  t.equal((await meshctl('routes', '--domain', 'elsewhere.test')).out, 'no routes\n')
})

test('routes HOST shows everything there, and ends with 1 where nothing is', async (t) => {
  const { code, out } = await meshctl('routes', 'hello.mesh.test')
  t.equal(code, 0)
  t.match(out, /→ hello \(web\): port 8080, http1, gets 100%, 2 of 2 running/)
  t.match(out, /1 +i-1 +10\.0\.0\.1:62001 +z1/)
  t.match(out, /conflict a route of space other is not served: the host is mirrored/)
  t.match(out, /no running instance: the router answers 503/)
  t.notMatch((await meshctl('routes', 'hello.mesh.test/stopped')).out, /i-1/)
  const none = await meshctl('routes', 'nope.test')
  t.match(none, { code: 1, out: /no route answers nope.test; the router says 404/ })
})

test('trace tells where a request goes, and why', async (t) => {
  t.match((await meshctl('trace', 'old.mesh.test')).out, /note +hash_header is missing/)
  const found = await meshctl('trace', 'http://HELLO.mesh.test:8080/a?b')
  t.equal(found.code, 0)
  t.match(found.out, /– hello\.mesh\.test\/a\n {2}✓ hello\.mesh\.test\n\ngoes to the app: pub\/hello\.mesh\.test is the most specific/)
  t.match(await meshctl('trace', '127.0.0.1/stopped/x', '-H', 'Host: hello.mesh.test', '-H', 'X-Other: 1'), {
    code: 1,
    out: /503: .*none of its instances is running/,
  })
  t.match(await meshctl('trace', 'nope.test'), { code: 1, out: /404: no route has this host/ })
  t.match(await meshctl('trace', '/a'), { code: 2, err: /names no host/ })
  t.match(await meshctl('trace', 'a', '-H', 'nonsense'), { code: 2, err: /is no header/ })
})

test('services, apps, instances, routers', async (t) => {
  t.match((await meshctl('services')).out, /\nhello +acme\/dev +2 +hello \(v1\) +hello\.mesh\.test, /)
  t.match((await meshctl('apps', 'hello')).out, /\nhello +acme\/dev +web:2\/2 +version=v1 +hello\.mesh\.test/)
  t.match((await meshctl('instances', 'hello')).out, /\nhello +web +1 +running +10\.0\.0\.1:62001 +z1 +\d+d +acme\/dev +i-1\n/)
  t.match(
    (await meshctl('routers')).out,
    /^ROUTER +PILOT +ZONE +ADDRESS +CONNECTED +LAG +REFUSED\nr1 +p1 +z1 +10\.0\.0\.9:1 +\d+s +2s +1\n\nr1 refuses the Listener https .*: the port is busy\n/,
  )
  t.match(await meshctl('apps', 'nope'), { code: 1, err: /^meshctl: there is no app with the name or guid nope\n$/ })
})

test('ejections', async (t) => {
  const { out, code, err } = await meshctl('ejections')
  t.equal(code, 0, err)
  const lines = out.split('\n')
  t.match(lines[0], /^ROUTE +APP +INDEX +STATE +SINCE +FOR +TIMES +CAUSE +ROUTER +INSTANCE$/)
  t.match(lines[1], /^hello \(v1\) +hello +0 +half-open +\d+[sm] +- +1 +consecutive-gateway-failure +r1 +i-0$/)
  t.match(lines[2], /^hello\.mesh\.test +hello +1 +open +\d+s +\d+s +2 +consecutive-5xx +r1 +i-1$/)
  t.match(JSON.parse((await meshctl('ejections', '--app', 'hello', '--json')).out), [
    { instance: 'i-1', route: 'hello.mesh.test', space: { name: 'dev' } },
    { service: 'hello', subset: 'v1' },
  ])
})

test('status names what is wrong, and sync accept releases it', async (t) => {
  const { out } = await meshctl('status')
  t.match(out, /^copilot \S+, revision \d+: 3 routes, 1 app, 2 instances, 1 space\n/)
  t.match(out, /route-syncer +s1 +9\.9\.9 +ready/)
  t.match(out, /source cf: last change \d+s ago/)
  t.match(out, /held: a sync of cf that would remove 60 routes and 1 instance .*more than 20 %[^]*meshctl sync accept h1/)
  t.match(out, /conflict: pub\/hello\.mesh\.test of space other is not served/)
  t.match(await meshctl('sync', 'accept', 'h9'), { code: 1, err: /no sync h9 is held/ })
  t.match(await meshctl('sync', 'accept'), { code: 0, out: /accepted: the sync of cf now removes 60 routes and 1 instance/ })
})

test('--json is the same for programs', async (t) => {
  for (const command of [
    ['routes'],
    ['services'],
    ['apps'],
    ['instances'],
    ['routers'],
    ['status'],
    ['trace', 'hello.mesh.test'],
    ['routes', 'hello.mesh.test'],
  ]) {
    const { code, out } = await meshctl(...command, '--json')
    t.equal(code, 0, command.join(' '))
    t.ok(JSON.parse(out))
  }
  t.match(JSON.parse((await meshctl('--json', 'routes')).out), [{ key: 'pub/hello.mesh.test' }, {}, {}])
})

test('every command has help with examples', async (t) => {
  const top = await meshctl('--help')
  t.match(top, { code: 0, out: /Exit codes: 0 ok, 1 refused or different, 2 usage, 3 unreachable/ })
  const commands = [...top.out.matchAll(/^ {2}([a-z]+) .*$/gm)]
    .map(([, name]) => name!)
    .filter((name) => !['help', 'dev', 'meshctl'].includes(name))
  t.ok(commands.length >= 8)
  for (const command of commands) t.match(await meshctl(command, '--help'), { code: 0, out: /Examples:\n {2}meshctl / }, command)
})

test('a wrong command line ends with 2 and says what is right', async (t) => {
  t.match(await meshctl('routse'), { code: 2, err: /unknown command 'routse'[^]*Did you mean routes/ })
  t.match(await meshctl('routes', '--colour'), { code: 2, err: /unknown option '--colour'/ })
  t.match(await meshctl('trace'), { code: 2, err: /missing required argument 'target'/ })
  t.match(await meshctl('dev', 'push'), { code: 2, err: /name an app, or a manifest/ })
  t.match(await meshctl('routes', '--api', 'localhost:80'), { code: 2, err: /no http:\/\/ or https:\/\/ address/ })
  t.match(await meshctl(), { code: 2 })
})

test('where copilot is not, it ends with 3 and says what to do', async (t) => {
  t.match(await run(['routes'], { MESH_API: 'http://127.0.0.1:1' }), {
    code: 3,
    err: /copilot does not answer at http:\/\/127\.0\.0\.1:1 \(.*ECONNREFUSED.*--api URL or MESH_API/,
  })
  t.match(await run(['routes']), { code: 3, err: /no copilot to ask.*Start it, or name a copilot with --api URL/ })
  const other = createServer((_request, response) => response.end('<html>')).listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.teardown(() => other.close())
  t.match(await run(['routes', '--api', `http://127.0.0.1:${(other.address() as { port: number }).port}`]), {
    code: 3,
    err: /is not a copilot/,
  })
})

test('without an address it asks the running npm start', async (t) => {
  const data = join(copilot.folder, 'project/.mesh')
  mkdirSync(data, { recursive: true })
  writeFileSync(join(data, 'ready.json'), JSON.stringify({ urls: { copilot: copilot.api } }))
  t.match(await run(['routes'], { MESH_DATA: data, MESH_API: '' }), { code: 0, out: /hello/ })
  mkdirSync(join(data, '../src/deep'), { recursive: true })
  t.match(await runMeshctl(['routes'], { environment: { MESH_DATA: '' }, cwd: join(data, '../src/deep') }), { code: 0, out: /hello/ })
  writeFileSync(join(data, 'ready.json'), '{')
  t.match(await run(['routes'], { MESH_DATA: data }), { code: 1, err: /ready.json: cannot read/ })
})

test('--watch shows it again when it changes', async (t) => {
  const child = spawn(process.execPath, [resolve(root, 'src/cli/main.ts'), 'routes', '--watch', '--json', '--api', copilot.api], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines: string[] = []
  let more = (): void => {}
  child.stdout.setEncoding('utf8').on('data', (data: string) => {
    lines.push(...data.trim().split('\n'))
    more()
  })
  const until = async (count: number): Promise<void> => {
    while (lines.length < count) await new Promise<void>((resolve) => (more = resolve))
  }
  await until(1)
  await copilot.change('e1', [route('new.mesh.test', 'hello-guid', [])])
  await until(2)
  t.equal(JSON.parse(lines[1]!).length, JSON.parse(lines[0]!).length + 1)
  child.kill('SIGINT')
  await once(child, 'exit')
})

test('built, it is one file that any Node from 20 on runs', async (t) => {
  const file = join(copilot.folder, 'meshctl.js')
  const build = spawn('node', [join(root, 'scripts/build.js'), file], { stdio: 'ignore' })
  t.strictSame(await once(build, 'exit'), [0, null])
  const result = await runMeshctl(['routes'], { command: [file], environment: { MESH_API: copilot.api }, cwd: copilot.folder })
  t.match(result, { code: 0, out: /hello\.mesh\.test/ })
  t.match(await runMeshctl(['--version'], { command: [file] }), { code: 0, out: /^\d+\.\d+\.\d+\n$/ })
  const rules = join(copilot.folder, 'rules.yaml')
  const resource = (kind: string, spec: string) =>
    `apiVersion: networking.istio.io/v1\nkind: ${kind}\nmetadata: {name: hello}\nspec: ${spec}\n---\n`
  writeFileSync(
    rules,
    resource('VirtualService', '{hosts: [hello.mesh.test], http: [{route: [{destination: {host: hello, subset: v2}}]}]}') +
      resource('DestinationRule', '{host: hello, subsets: [{name: v1, labels: {version: v1}}]}'),
  )
  t.match(await runMeshctl(['validate', '-f', rules], { command: [file] }), { code: 0, out: 'valid\n', err: /it has v1/ })
})

test('the program behind bin passes arguments, output and exit codes on', async (t) => {
  const bin = join(root, 'scripts/bin/meshctl.js')
  t.match(await runMeshctl(['trace', 'nope.test'], { command: [bin], environment: { MESH_API: copilot.api } }), { code: 1, out: /404/ })
  t.match(await runMeshctl(['--config', '/nowhere.yml'], { command: [join(root, 'scripts/bin/copilot.js')] }), {
    code: 1,
    err: /nowhere\.yml/,
  })
})
