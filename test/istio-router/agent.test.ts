import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { create, fromBinary } from '@bufbuild/protobuf'
import { status } from '@grpc/grpc-js'
import { pino } from 'pino'
import { test, type Test } from 'tap'
import { Registry } from 'prom-client'
import { validateConfig, type TlsConfig } from '../../src/common/config.ts'
import type { Ejection } from '../../src/common/ejection.ts'
import type { Condition } from '../../src/common/health.ts'
import { createLogger } from '../../src/common/log.ts'
import { createAuthority, issueCertificate, type KeyPair } from '../../src/common/pki.ts'
import { SecretSchema } from '../../src/common/proto/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js'
import { ResourceCache } from '../../src/common/xds/cache.ts'
import { encodeResource, type Refusal, type Resource, type ResourceUpdate } from '../../src/common/xds/resources.ts'
import { serverCredentials } from '../../src/common/xds/credentials.ts'
import { DeltaServer, type DeltaServerOptions } from '../../src/common/xds/server.ts'
import { Agent } from '../../src/istio-router/agent/agent.ts'
import { RouterConfig } from '../../src/istio-router/config.ts'
import type { Engine } from '../../src/istio-router/engine.ts'
import { freePort } from '../support/program.ts'
import { TestAuthority } from '../support/pki.ts'
import { eventually } from '../support/wait.ts'
import { clusterNamed, endpointsOf, listenerOn, removal, routesTo, typeUrls } from './resources.ts'

const pkiFolder = mkdtempSync(join(tmpdir(), 'mesh-agent-pki-'))
const pki = new TestAuthority(pkiFolder)
const tls = { pilot: pki.issue('pilot'), router: pki.issue('istio-router') }
process.on('exit', () => rmSync(pkiFolder, { recursive: true }))

/** An engine that keeps what it is given. */
class FakeEngine implements Engine {
  readonly name = 'fake'
  readonly resources = new Map<string, Resource>()
  /** What it was given, in order. */
  readonly given: Resource[] = []
  readonly bad = new Set<string>()
  /** Until when it takes its time. */
  busy: Promise<void> | undefined
  readonly out: Ejection[] = []
  late: (refusals: Refusal[]) => void = () => {}

  async start(): Promise<void> {}
  async stop(): Promise<void> {}
  async drain(): Promise<void> {}

  condition(): Condition {
    return { ready: true }
  }

  ejections(): Ejection[] {
    return this.out
  }

  onRefused(listener: (refusals: Refusal[]) => void): void {
    this.late = listener
  }

  async apply({ changed, removed }: ResourceUpdate): Promise<Refusal[]> {
    await this.busy
    this.given.push(...changed)
    for (const resource of changed) if (!this.bad.has(resource.name)) this.resources.set(resource.name, resource)
    for (const { name } of removed) this.resources.delete(name)
    return changed.filter(({ name }) => this.bad.has(name)).map(({ typeUrl, name, version }) => ({ typeUrl, name, version, reason: 'bad' }))
  }

  names(): string[] {
    return [...this.resources.keys()].filter((name) => !/^(tls|backend|rate-limit|system)\//.test(name)).sort((a, b) => a.localeCompare(b))
  }
}

interface Pilot {
  port: number
  cache: ResourceCache
  server: DeltaServer
  stop: () => void
}

async function startPilot(
  t: Test,
  resources: Resource[] = [],
  port?: number,
  files: TlsConfig = tls.pilot,
  more: Pick<DeltaServerOptions, 'onRefused' | 'admit'> = {},
): Promise<Pilot> {
  const { credentials, stop } = serverCredentials(files)
  const cache = new ResourceCache()
  cache.apply({ changed: resources, removed: [] })
  const server = new DeltaServer({ cache, log: createLogger('test', 'silent'), metrics: new Registry(), grace: 0, ...more })
  const pilot = {
    cache,
    server,
    port: await server.listen(`127.0.0.1:${port ?? 0}`, credentials),
    stop: () => {
      stop()
      server.close()
    },
  }
  t.teardown(pilot.stop)
  return pilot
}

interface Rig {
  config: RouterConfig
  folder: string
  start: (engine?: FakeEngine) => Promise<{ agent: Agent; engine: FakeEngine }>
}

function rig(t: Test, ports: number[], log = createLogger('test', 'silent')): Rig {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-agent-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const config = validateConfig(
    RouterConfig,
    {
      name: 'router-1',
      pilot: { addresses: ports.map((port) => `127.0.0.1:${port}`), tls: tls.router },
      listeners: [{ name: 'http', address: '127.0.0.1', port: 8080 }],
      keypairs: [{ name: 'default', certificate: tls.router.certificate, key: tls.router.key }],
      backend: tls.router,
      cache: join(folder, 'cache'),
      health: { listen: { port: 0 } },
    },
    'router.yml',
  )
  return {
    config,
    folder,
    start: async (engine = new FakeEngine()) => {
      const agent = new Agent({ config, engine, log, metrics: new Registry() })
      t.teardown(() => agent.stop())
      await agent.start()
      return { agent, engine }
    },
  }
}

test('what pilot sends reaches the engine, and its answer pilot', async (t) => {
  const pilot = await startPilot(t, [clusterNamed('a'), clusterNamed('bad')])
  const { start } = rig(t, [pilot.port])
  const { agent, engine } = await start()
  engine.bad.add('bad')
  await eventually(() => pilot.server.clients()[0]?.types['cluster']?.acknowledgedAt ?? pilot.server.clients()[0]?.refused.length)
  pilot.cache.apply({ changed: [endpointsOf('a', [1234]), clusterNamed('bad', { altStatName: '2' })], removed: [] })
  await eventually(() => pilot.server.clients()[0]?.refused.length === 1)
  t.match(pilot.server.clients()[0], { name: 'router-1', refused: [{ name: 'bad', reason: 'bad' }] })
  t.match(agent.condition(), { ready: true, age: 0, pilot: { connected: true }, refused: [{ type: 'cluster', name: 'bad' }] })
  await eventually(() => agent.accepted('a').instances.length)
  t.strictSame(agent.accepted('a'), { version: clusterNamed('a').version, instances: ['instance-1234'] })
})

test('the router starts with its last good configuration while no pilot is there, and catches up', async (t) => {
  const before = await startPilot(t, [clusterNamed('a'), clusterNamed('b'), clusterNamed('c')])
  const { start } = rig(t, [before.port])
  const first = await start()
  await eventually(() => before.server.clients()[0]?.types['cluster']?.acknowledgedAt)
  first.engine.bad.add('b')
  before.cache.apply({ changed: [clusterNamed('b', { altStatName: 'refused' })], removed: [removal(clusterNamed('c'))] })
  await eventually(() => before.server.clients()[0]?.refused.length === 1 && !first.engine.names().includes('c'))
  await first.agent.stop()
  before.stop()

  const second = await start()
  t.strictSame(second.engine.names(), ['a', 'b'])
  t.equal(second.engine.resources.get('b')?.version, clusterNamed('b').version, 'the last good version, not the refused one')
  await eventually(() => second.agent.condition().reason?.includes('UNAVAILABLE'))
  t.match(second.agent.condition(), { ready: true, reason: /no pilot answers.*serving the configuration of 20/, age: Number })

  const after = await startPilot(t, [clusterNamed('a'), clusterNamed('d')], before.port)
  await eventually(() => second.engine.names().join() === 'a,d')
  t.equal(after.server.clients()[0]?.name, 'router-1')
  t.equal(second.agent.condition().reason, undefined)
})

test('pilot hears before anything else whether the router has nothing', async (t) => {
  const told: string[] = []
  const admit: DeltaServerOptions['admit'] = ({ metadata }, has) => void told.push(`${metadata.get('mesh-empty').join()} ${has}`)
  const pilot = await startPilot(t, [clusterNamed('a')], undefined, tls.pilot, { admit })
  const { start } = rig(t, [pilot.port])
  const first = await start()
  await eventually(() => pilot.server.clients()[0]?.types['cluster']?.acknowledgedAt)
  await first.agent.stop()
  await start()
  await eventually(() => told.length === 3)
  t.strictSame(told, ['true false', ' false', ' true'])
})

test('a router whose pilot is killed while it reads keeps what it was given, until another knows all', async (t) => {
  const reading = await startPilot(t, [clusterNamed('a'), clusterNamed('gone')])
  const { start } = rig(t, [reading.port])
  const { engine } = await start()
  await eventually(() => engine.names().join() === 'a,gone')
  reading.stop()

  let ready = false
  let asked = 0
  const admit: DeltaServerOptions['admit'] = ({ metadata }) => {
    asked++
    return ready || metadata.get('mesh-empty')[0] === 'true' ? undefined : { code: status.UNAVAILABLE, details: 'reading' }
  }
  await startPilot(t, [clusterNamed('a'), clusterNamed('b'), listenerOn('http', 8080)], reading.port, tls.pilot, { admit })
  await eventually(() => asked > 1)
  t.strictSame(engine.names(), ['a', 'gone'])
  ready = true
  await eventually(() => engine.names().join() === 'a,b,http')
})

test('the ports of the last good configuration open once pilot has said what is new', async (t) => {
  const [kept, changed, listener] = [clusterNamed('moved'), clusterNamed('moved', { altStatName: 'elsewhere' }), listenerOn('http', 8080)]
  const pilot = await startPilot(t, [kept, listener])
  const { start } = rig(t, [pilot.port])
  const first = await start()
  await eventually(() => first.engine.names().join() === 'http,moved')
  await first.agent.stop()

  pilot.cache.apply({ changed: [changed], removed: [] })
  const { engine } = await start()
  await eventually(() => engine.names().includes('http'))
  t.strictSame(
    engine.given.filter(({ typeUrl }) => typeUrl !== typeUrls.secret).map(({ version }) => version),
    [kept, changed, listener].map(({ version }) => version),
  )
})

test('a listener that pilot has taken away meanwhile does not open again', async (t) => {
  const pilot = await startPilot(t, [clusterNamed('a'), listenerOn('http', 8080), listenerOn('https', 8443)])
  const { start } = rig(t, [pilot.port])
  const first = await start()
  await eventually(() => first.engine.names().join() === 'a,http,https')
  await first.agent.stop()

  pilot.cache.apply({ changed: [], removed: [removal(listenerOn('https', 8443))] })
  const { engine } = await start()
  await eventually(() => engine.names().includes('http'))
  t.strictSame(engine.names(), ['a', 'http'])
  t.notOk(engine.given.some(({ name }) => name === 'https'))
})

test('what turns out unusable later is forgotten, reported, and asked for again', async (t) => {
  const pilot = await startPilot(t, [clusterNamed('a'), clusterNamed('b')])
  const { start } = rig(t, [pilot.port])
  const { agent, engine } = await start()
  await eventually(() => pilot.server.clients()[0]?.types['cluster']?.acknowledgedAt)
  engine.late([{ typeUrl: typeUrls.cluster, name: 'a', version: clusterNamed('a').version, reason: 'late' }])
  await eventually(() => pilot.server.clients()[0]?.refused[0]?.reason === 'late')
  engine.resources.clear()
  await agent.stop()
  const again = await start()
  t.strictSame(again.engine.names(), ['b'], 'it is not on disk')
  await eventually(() => again.engine.names().join() === 'a,b')
})

test('what the last good configuration has and the engine can use no more is reported, whenever that turns out', async (t) => {
  const pilot = await startPilot(t, [clusterNamed('a'), clusterNamed('b')])
  const { start } = rig(t, [pilot.port])
  const { agent } = await start()
  await eventually(() => agent.accepted('b').version)
  await agent.stop()
  const engine = new FakeEngine()
  const { promise, resolve } = Promise.withResolvers<void>()
  engine.busy = promise
  engine.bad.add('b')
  const again = await start(engine)
  await eventually(() => pilot.server.clients().some(({ types }) => types['route']))
  resolve()
  await eventually(() => pilot.server.clients()[0]?.refused[0]?.name === 'b')
  t.equal(again.agent.accepted('b').version, undefined)
})

test('the disk has no private key and is readable by its owner only; a broken copy is put aside', async (t) => {
  const pilot = await startPilot(t, [clusterNamed('a')])
  const { config, start } = rig(t, [pilot.port])
  const first = await start()
  await eventually(() => first.agent.accepted('a').version)
  for (const file of readdirSync(config.cache)) {
    t.equal(statSync(join(config.cache, file)).mode & 0o777, 0o600, file)
    t.notOk(readFileSync(join(config.cache, file)).includes('PRIVATE KEY'), file)
  }
  t.equal(statSync(config.cache).mode & 0o777, 0o700)
  await first.agent.stop()

  writeFileSync(join(config.cache, 'resources.db'), 'no database at all, but long enough to look at '.repeat(200))
  const second = await start()
  await eventually(() => second.engine.names().join() === 'a')
  t.ok(readdirSync(config.cache).includes('resources.db.broken'))
})

test('a route configuration of many hosts takes little of the disk, and comes back whole', async (t) => {
  const routes = routesTo(Array.from({ length: 500 }, (_, number) => `host-${number}`))
  const pilot = await startPilot(t, [clusterNamed('a'), routes])
  const { config, start } = rig(t, [pilot.port])
  const first = await start()
  await eventually(() => first.engine.resources.has('routes') && pilot.server.clients()[0]?.types['route']?.acknowledgedAt)
  await first.agent.stop()
  pilot.stop()
  const kept = new DatabaseSync(join(config.cache, 'resources.db'))
  const bytes = kept.prepare("SELECT length(value) AS n FROM resource WHERE name = 'routes'").get()?.['n']
  kept.close()
  t.ok(Number(bytes) < routes.any.value.length / 5, `${String(bytes)} of ${routes.any.value.length} bytes`)
  const second = await start()
  t.ok(Buffer.from(routes.any.value).equals(second.engine.resources.get('routes')!.any.value))
})

test('what cannot be kept on disk now is kept later, and nothing is refused for it', async (t) => {
  const pilot = await startPilot(t, [clusterNamed('a')])
  const logged: string[] = []
  const { config, start } = rig(t, [pilot.port], pino({ level: 'error' }, { write: (line) => void logged.push(line) }))
  const { agent } = await start()
  await eventually(() => agent.accepted('a').version)
  const other = new DatabaseSync(join(config.cache, 'resources.db'), { timeout: 5000 })
  t.teardown(() => other.close())
  const kept = (): string =>
    other
      .prepare('SELECT name FROM resource ORDER BY name')
      .all()
      .map(({ name }) => name)
      .join()
  t.equal(kept(), 'a', 'at once')
  other.exec('BEGIN IMMEDIATE')
  pilot.cache.apply({ changed: [clusterNamed('b')], removed: [{ typeUrl: typeUrls.cluster, name: 'a' }] })
  await eventually(() => agent.accepted('b').version && !agent.accepted('a').version)
  await eventually(() => logged.some((line) => /cannot be kept on disk/.test(line)))
  t.same(pilot.server.clients()[0]?.refused, [])
  other.exec('COMMIT')
  await eventually(() => kept() === 'b')
})

test('certificates are served as secrets, and again when their files change and are whole', async (t) => {
  const { config, folder, start } = rig(t, [await freePort()])
  const authority = createAuthority('test')
  const issue = (): KeyPair => issueCertificate(authority, { commonName: 'site' })
  const write = (name: string, pair: Partial<KeyPair>): void => {
    for (const [part, pem] of Object.entries(pair)) {
      writeFileSync(join(folder, `${name}.new`), pem)
      renameSync(join(folder, `${name}.new`), join(folder, `${name}.${part}`))
    }
  }
  const [before, after, other] = [issue(), issue(), issue()]
  for (const name of ['site', 'other']) write(name, before)
  config.keypairs = ['site', 'other'].map((name) => ({
    name,
    certificate: join(folder, `${name}.certificate`),
    key: join(folder, `${name}.key`),
  }))
  const { engine } = await start()
  const served = (name: string): string | undefined => {
    const secret = engine.resources.get(`tls/${name}`)
    const type = secret && fromBinary(SecretSchema, secret.any.value).type
    return type?.case === 'tlsCertificate' && type.value.certificateChain?.specifier.case === 'inlineBytes'
      ? Buffer.from(type.value.certificateChain.specifier.value).toString()
      : undefined
  }
  t.equal(served('site'), before.certificate)
  t.ok(engine.resources.has('backend/client') && engine.resources.has('backend/ca'))

  write('site', { certificate: after.certificate })
  write('other', other)
  await eventually(() => served('other') === other.certificate)
  t.equal(served('site'), before.certificate, 'a certificate without its key is not served')
  write('site', { key: after.key })
  await eventually(() => served('site') === after.certificate)
})

test('a secret that was refused is refused no more once its files are good', async (t) => {
  const { config, folder, start } = rig(t, [await freePort()])
  const file = (name: string): string => join(folder, name)
  const later = create(SecretSchema, {
    name: 'gateway-files/later',
    type: { case: 'validationContext', value: { trustedCa: { specifier: { case: 'filename', value: file('later') } } } },
  })
  const pilot = await startPilot(t, [encodeResource(SecretSchema, later.name, later)])
  const pair = (): KeyPair => issueCertificate(createAuthority('test'), { commonName: 'site' })
  const write = ({ certificate, key }: KeyPair): void => {
    writeFileSync(file('key'), key)
    writeFileSync(file('certificate'), certificate)
  }
  write(pair())
  config.pilot.addresses = [`127.0.0.1:${pilot.port}`]
  config.keypairs = [{ name: 'site', certificate: file('certificate'), key: file('key') }]
  const { agent, engine } = await start()
  const refused = (): string[] => (agent.condition()['refused'] as Refusal[]).map(({ name }) => name)
  engine.bad.add('tls/site')
  write(pair())
  await eventually(() => refused().includes('tls/site') && pilot.server.clients()[0]?.refused[0]?.name === later.name)
  engine.bad.clear()
  write(pair())
  writeFileSync(file('later'), pair().certificate)
  await eventually(() => !refused().length && !pilot.server.clients()[0]?.refused.length)
  t.ok(engine.resources.has(later.name))
})

test('a keypair that does not fit is named at start', async (t) => {
  const { config, start } = rig(t, [await freePort()])
  config.keypairs = [{ name: 'default', certificate: tls.router.certificate, key: tls.pilot.key }]
  await t.rejects(start(), { code: 'MESH_SECRET_UNUSABLE', message: /^keypairs\[0\]: .*is not the key of/ })
})

test('a pilot whose certificate has another name is not believed', async (t) => {
  const impostor = await startPilot(t, [clusterNamed('evil')], undefined, pki.issue('impostor'))
  const { start } = rig(t, [impostor.port])
  const { agent, engine } = await start()
  await eventually(() => /altnames|Hostname/.test(agent.condition().reason ?? ''))
  t.strictSame(engine.names(), [])
})

test("a changed certificate of the router's is used without losing the stream for a moment", async (t) => {
  const pilot = await startPilot(t, [clusterNamed('a')])
  const own = pki.issue('rotating', { dns: ['istio-router.service.cf.internal'] })
  const { config, start } = rig(t, [pilot.port])
  config.pilot.tls = own
  const { agent, engine } = await start()
  await eventually(() => engine.names().includes('a'))
  const { since } = agent.condition()['pilot'] as { since: string }
  pki.issue('rotating', { dns: ['istio-router.service.cf.internal'] })
  await eventually(() => (agent.condition()['pilot'] as { since?: string }).since !== since)
  pilot.cache.apply({ changed: [clusterNamed('b')], removed: [] })
  await eventually(() => engine.names().includes('b'))
})

test('what the router goes on with of a route configuration is told with the first refusal of a stream', async (t) => {
  const told: [version: string, held: string | undefined][] = []
  const onRefused: DeltaServerOptions['onRefused'] = (_client, refusals, held) => {
    for (const { name, version } of refusals)
      told.push([version, held.has(name) ? Buffer.from(held.get(name)!).toString('hex') : undefined])
  }
  const hex = ({ any }: Resource): string => Buffer.from(any.value).toString('hex')
  const [none, good, bad, worse] = ['none', 'good', 'bad', 'worse'].map((cluster) => routesTo([cluster], { name: 'r' })) as [
    Resource,
    Resource,
    Resource,
    Resource,
  ]
  const before = await startPilot(t, [clusterNamed('a')], undefined, tls.pilot, { onRefused })
  const { start } = rig(t, [before.port])
  const { engine } = await start()
  await eventually(() => engine.names().includes('a'))
  engine.bad.add('r')
  const refuse = async (pilot: Pilot, resource: Resource): Promise<void> => {
    const count = told.length
    pilot.cache.apply({ changed: [resource], removed: [] })
    await eventually(() => told.length > count)
  }
  await refuse(before, none)
  t.strictSame(told, [[none.version, '']], 'nothing')
  engine.bad.clear()
  before.cache.apply({ changed: [good], removed: [] })
  await eventually(
    () => before.server.clients()[0]?.types['route']?.unanswered === 0 && engine.resources.get('r')?.version === good.version,
  )
  engine.bad.add('r')
  await refuse(before, bad)
  before.stop()
  const after = await startPilot(t, [clusterNamed('a'), good], before.port, tls.pilot, { onRefused })
  await eventually(() => after.server.clients()[0]?.types['route'])
  await refuse(after, worse)
  t.strictSame(told.slice(1), [
    [bad.version, undefined],
    [worse.version, hex(good)],
  ])
})

test('who is ejected reaches pilot, at once and on each new stream', async (t) => {
  const before = await startPilot(t, [clusterNamed('a')])
  const { start } = rig(t, [before.port])
  const { engine } = await start()
  const report = (): unknown => before.server.clients()[0]?.report
  await eventually(() => report())
  t.strictSame(report(), { ejected: 0, ejections: [] })
  const moment = new Date().toISOString()
  engine.out.push({
    cluster: 'a',
    instance: 'instance-1',
    address: '127.0.0.1:1',
    state: 'open',
    since: moment,
    until: moment,
    times: 1,
    cause: 'consecutive-5xx',
  })
  await eventually(() => (report() as { ejected: number }).ejected === 1)
  t.strictSame(report(), { ejected: 1, ejections: engine.out })
  before.stop()
  const after = await startPilot(t, [clusterNamed('a')], before.port)
  await eventually(() => after.server.clients()[0]?.report)
  t.strictSame(after.server.clients()[0]?.report, { ejected: 1, ejections: engine.out })
})
