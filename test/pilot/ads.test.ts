import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { credentials, status } from '@grpc/grpc-js'
import { test, type Test } from 'tap'
import { Registry } from 'prom-client'
import { validateConfig, type TlsConfig } from '../../src/common/config.ts'
import { createLogger } from '../../src/common/log.ts'
import { ResourceCache } from '../../src/common/xds/cache.ts'
import { refusalStatus } from '../../src/common/xds/protocol.ts'
import type { Change, Route } from '../../src/mesh/records.ts'
import { DebugServer } from '../../src/pilot/ads/debug.ts'
import { faultsOf } from '../../src/pilot/ads/faults.ts'
import { Publisher } from '../../src/pilot/ads/publisher.ts'
import { reports } from '../../src/pilot/ads/report.ts'
import { ResourceStatus } from '../../src/pilot/ads/resource-status.ts'
import { AdsServer } from '../../src/pilot/ads/server.ts'
import { PilotConfig } from '../../src/pilot/config.ts'
import { explain } from '../../src/pilot/explain.ts'
import { Translator } from '../../src/pilot/translate/translator.ts'
import { RawClient, typeUrls } from '../common/xds-raw-client.ts'
import { freePort } from '../support/program.ts'
import { TestAuthority } from '../support/pki.ts'
import { eventually } from '../support/wait.ts'
import { replace, resource } from './records.ts'

const folder = mkdtempSync(join(tmpdir(), 'mesh-pilot-'))
process.on('exit', () => rmSync(folder, { recursive: true }))
const pki = new TestAuthority(folder)
const router = pki.issue('istio-router')
const log = createLogger('test', 'silent')

const node = {
  id: 'router-1',
  metadata: {
    labels: {},
    listeners: [{ name: 'http', address: '127.0.0.1', port: 8080, tls: false, exposure: 'pub', proxyProtocol: false }],
    keypairs: [],
    trustedHops: 0,
    trustedCidrs: [],
    accessLog: '',
  },
}

const route = (host: string): Change => ({
  kind: 'route',
  key: `pub/${host}`,
  value: {
    host,
    path: '',
    exposure: 'pub',
    space: 's',
    labels: {},
    options: {},
    destinations: [{ app: 'a', type: 'web', port: 8080, protocol: 'http1', processes: ['p'] }],
  } satisfies Route,
})
const instance = (key: string, port: number): Change => ({
  kind: 'instance',
  key,
  value: { process: 'p', index: 0, address: '10.0.0.1', ports: [{ app: 8080, plain: 0, tls: port }], zone: '', since: '1' },
})
const process_: Change = { kind: 'process', key: 'p', value: { app: 'a', type: 'web', instances: 2 } }

async function pilot(t: Test, tls: TlsConfig = pki.issue('pilot')) {
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
  const translator = new Translator(config.translation)
  const publisher = new Publisher(translator, cache, (changes) => status.published(changes))
  const ads = new AdsServer({ config, cache, ready: () => publisher.whole, filling: () => publisher.filling, log, metrics: new Registry() })
  const status = new ResourceStatus({ translator, ads })
  await ads.start()
  t.teardown(() => ads.stop())
  const connect = (files: TlsConfig = router, headers: Record<string, string> = {}): RawClient => {
    const [ca, key, certificate] = [files.ca, files.key, files.certificate].map((file) => readFileSync(file))
    const client = new RawClient(
      `127.0.0.1:${ads.port}`,
      credentials.createSsl(ca, key, certificate),
      { 'grpc.ssl_target_name_override': 'pilot.service.cf.internal' },
      headers,
    )
    t.teardown(() => client.close())
    return client
  }
  const subscribe = (client: RawClient): RawClient => {
    for (const type of ['cluster', 'endpoint', 'listener', 'route'] as const)
      client.send({ node, typeUrl: typeUrls[type], resourceNamesSubscribe: ['*'] })
    return client
  }
  return { publisher, translator, ads, status, connect, subscribe }
}

test('routers are sent away until copilot has told everything', async (t) => {
  const { publisher, connect, subscribe } = await pilot(t)
  const early = subscribe(connect())
  await eventually(() => early.ended)
  t.match(early.ended, { code: status.UNAVAILABLE, details: /copilot/ })
  await replace(publisher, [process_, instance('i', 1000), route('a.mesh')])
  const client = subscribe(connect()).acknowledgeAll()
  await eventually(() => client.received().includes('route pub'))
  t.strictSame(client.received().slice(0, 4), ['cluster pub/a.mesh', 'cluster rule/nowhere', 'endpoint pub/a.mesh', 'listener http'])
})

const hasNothing = { 'mesh-empty': 'true' }
const sentAway = { code: status.UNAVAILABLE, details: /copilot/ }

test('a router that has nothing is given clusters while pilot reads, and opens its ports once all is there', async (t) => {
  const { publisher, connect, subscribe } = await pilot(t)
  publisher.begin()
  await publisher.read([process_, instance('i', 1000)])
  const client = subscribe(connect(router, hasNothing)).acknowledgeAll()
  await publisher.read([route('a.mesh'), versions, shop('v1')])
  await eventually(() => client.received().includes('endpoint pub/a.mesh'))
  await publisher.read([route('b.mesh')])
  await eventually(() => client.received().includes('endpoint pub/b.mesh'))
  t.strictSame(client.received(), ['cluster pub/a.mesh', 'endpoint pub/a.mesh', 'cluster pub/b.mesh', 'endpoint pub/b.mesh'])

  await publisher.finish([{ kind: 'route', key: 'pub/b.mesh', value: null }])
  await eventually(() => client.received().includes('-endpoint pub/b.mesh') && client.received().includes('listener http'))
  const rest = client.received().slice(4)
  t.strictSame(
    rest.toSorted(),
    [
      '-cluster pub/b.mesh',
      '-endpoint pub/b.mesh',
      'cluster rule/nowhere',
      'cluster rule/v1//route pub/a.mesh',
      'endpoint rule/v1//route pub/a.mesh',
      'listener http',
      'route int',
      'route pub',
    ].toSorted(),
  )
  t.ok(rest.indexOf('cluster rule/v1//route pub/a.mesh') < rest.indexOf('listener http'))
  t.equal(client.ended, undefined)
})

test('a router that has something is not answered while pilot reads', async (t) => {
  const { publisher, connect, subscribe } = await pilot(t)
  publisher.begin()
  await publisher.read([process_, instance('i', 1000), route('a.mesh')])
  const silent = subscribe(connect())
  const liar = connect(router, hasNothing).send({
    node,
    typeUrl: typeUrls.cluster,
    resourceNamesSubscribe: ['*'],
    initialResourceVersions: { 'pub/old.mesh': '1' },
  })
  for (const client of [silent, liar]) {
    await eventually(() => client.ended)
    t.match(client.ended, sentAway)
    t.strictSame(client.received(), [])
  }
})

test('a router that was given a part of a snapshot which breaks off is sent away with it, and is whole after the next', async (t) => {
  const { publisher, connect, subscribe } = await pilot(t)
  publisher.begin()
  await publisher.read([process_, instance('i', 1000), route('a.mesh'), route('gone.mesh')])
  const early = subscribe(connect(router, hasNothing)).acknowledgeAll()
  await eventually(() => early.received().includes('endpoint pub/gone.mesh'))
  publisher.abandon()
  await eventually(() => early.ended)
  t.match(early.ended, sentAway)
  t.notOk(early.received().some((one) => one.startsWith('-') || one.startsWith('listener')))

  publisher.begin()
  await publisher.read([process_, instance('i', 1000), route('a.mesh')])
  const other = subscribe(connect(router, hasNothing))
  await eventually(() => other.ended)
  t.match(other.ended, sentAway, 'what is there now is not what there is')
  await publisher.read([route('b.mesh')])
  await publisher.finish([])

  const client = connect().acknowledgeAll()
  const taken = early.messages.flatMap(({ typeUrl, resources }) => resources.map(({ name, version }) => ({ typeUrl, name, version })))
  for (const type of ['cluster', 'endpoint', 'listener', 'route'] as const) {
    const initialResourceVersions = Object.fromEntries(
      taken.filter(({ typeUrl }) => typeUrl === typeUrls[type]).map(({ name, version }) => [name, version]),
    )
    client.send({ node, typeUrl: typeUrls[type], resourceNamesSubscribe: ['*'], initialResourceVersions })
  }
  await eventually(() => client.received().includes('route pub') && client.received().includes('-endpoint pub/gone.mesh'))
  t.strictSame(
    client.received().toSorted(),
    [
      '-cluster pub/gone.mesh',
      '-endpoint pub/gone.mesh',
      'cluster pub/b.mesh',
      'cluster rule/nowhere',
      'endpoint pub/b.mesh',
      'listener http',
      'route int',
      'route pub',
    ].toSorted(),
  )
})

test('only a client with the routers’ name is served', async (t) => {
  const { publisher, connect, subscribe } = await pilot(t)
  await replace(publisher, [])
  const stranger = subscribe(connect(pki.issue('copilot')))
  await eventually(() => stranger.ended)
  t.match(stranger.ended, {
    code: status.PERMISSION_DENIED,
    details: /copilot\.service\.cf\.internal.*istio-router\.service\.cf\.internal/,
  })

  const other = new TestAuthority(mkdtempSync(join(folder, 'other-')))
  const untrusted = subscribe(connect({ ...other.issue('istio-router'), ca: pki.ca }))
  await eventually(() => untrusted.ended)
  t.equal(untrusted.ended?.code, status.UNAVAILABLE)
})

test('a router whose node is wrong hears what is wrong', async (t) => {
  const { publisher, connect } = await pilot(t)
  await replace(publisher, [])
  const client = connect().send({
    node: { id: 'x', metadata: { listeners: [{ name: 'http', port: 'many' }] } },
    typeUrl: typeUrls.listener,
  })
  await eventually(() => client.ended)
  t.match(client.ended, { code: status.INVALID_ARGUMENT, details: /listeners\[0\]\.port/ })
})

test('a change brings what it touches, a new snapshot only what differs', async (t) => {
  const { publisher, connect, subscribe } = await pilot(t)
  const records = [process_, instance('i', 1000), route('a.mesh'), route('b.mesh')]
  await replace(publisher, records)
  const client = subscribe(connect()).acknowledgeAll()
  await eventually(() => client.received().includes('route pub'))
  const before = client.received().length

  await publisher.apply([{ kind: 'route', key: 'pub/b.mesh', value: null }])
  await eventually(() => client.received().length === before + 2)
  t.strictSame(client.received().slice(before), ['-cluster pub/b.mesh', '-endpoint pub/b.mesh'])

  await replace(publisher, [...records.filter(({ key }) => key !== 'pub/b.mesh'), instance('j', 2000)])
  await eventually(() => client.received().length === before + 3)
  t.equal(client.received().at(-1), 'endpoint pub/a.mesh')
})

test('a changed certificate of pilot is shown to new connections', async (t) => {
  const tls = pki.issue('rotating', { dns: ['pilot.service.cf.internal'] })
  const { publisher, connect, subscribe } = await pilot(t, tls)
  await replace(publisher, [route('a.mesh')])
  pki.issue('rotating', { dns: ['elsewhere.test'] })
  await eventually(async () => {
    const client = subscribe(connect())
    await eventually(() => client.ended ?? client.messages[0])
    return client.ended
  })
  pki.issue('rotating', { dns: ['pilot.service.cf.internal'] })
  await eventually(async () => {
    const client = subscribe(connect())
    await eventually(() => client.ended ?? client.messages[0])
    return client.messages[0]
  })
})

test('an operator and copilot see routers, refusals, and why a request goes where it goes', async (t) => {
  const { publisher, translator, ads, status: standing, connect, subscribe } = await pilot(t)
  await replace(publisher, [process_, instance('i', 1000), route('a.mesh')])
  const port = await freePort()
  const debug = new DebugServer({
    listen: { host: '127.0.0.1', port },
    routers: () => ads.routers(),
    faults: () => faultsOf(translator),
    explain: (host, path, asked) => explain(translator, host, path, asked),
  })
  await debug.start()
  t.teardown(() => debug.stop())
  const get = async (path: string): Promise<{ status: number; body: unknown }> => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`)
    return { status: answer.status, body: await answer.json() }
  }
  const client = subscribe(connect())
  const { nonce, resources } = await eventually(() => client.messages.find(({ typeUrl }) => typeUrl === typeUrls.cluster))
  const version = resources[0]?.version ?? ''
  client.send({
    typeUrl: typeUrls.cluster,
    responseNonce: nonce,
    errorDetail: refusalStatus([{ typeUrl: typeUrls.cluster, name: 'pub/a.mesh', version, reason: 'no good' }]),
  })
  await eventually(() => ads.routers()[0]?.refused.length)

  t.match(await get('/debug/nacks'), {
    status: 200,
    body: { nacks: [{ router: 'router-1', type: 'cluster', name: 'pub/a.mesh', version, reason: 'no good', since: /^20/ }] },
  })
  t.match(await get('/debug/routers'), {
    body: { routers: [{ name: 'router-1', connectedSince: /^20/, lag: Number, types: { cluster: { subscribed: 'all', pending: 0 } } }] },
  })
  t.match(await get('/debug/route?host=a.mesh&path=/x'), { body: { route: { key: 'pub/a.mesh' }, instances: [{ guid: 'i' }] } })
  t.match(await get('/debug/route?host=b.mesh'), { body: { answer: { status: 404 } } })
  t.equal((await get('/debug/route')).status, 400)
  t.equal((await get('/debug/route?host=a&exposure=all')).status, 400)
  t.match(ads.condition(), { ready: true, reason: /router-1/, routers: 1 })

  const told: unknown[] = []
  const reporting = reports({
    name: 'pilot-1',
    log,
    every: 5,
    routers: () => ads.routers(),
    resources: standing,
    advice: () => 'set buckets',
    copilot: {
      position: { history: 'h', revision: 7 },
      condition: () => ({ ready: true }),
      report: async (...report) => {
        told.push(report)
        if (told.length === 1) throw new Error('copilot is away')
        return {}
      },
    },
  })
  await reporting.start()
  await eventually(() => told.length > 2)
  await reporting.stop()
  t.match(told[1], ['pilot', 'pilot-1', { resources: {}, resourcesVersion: 2 }], 'what may not have come is told again')
  t.notOk('resources' in (told[2] as { [2]: object })[2])
  t.match(told.at(-1), [
    'pilot',
    'pilot-1',
    { ready: true, reason: 'set buckets', revision: 7, version: String, routers: [{ name: 'router-1', refused: [{ reason: 'no good' }] }] },
  ])
})

const shop = (subset: string) =>
  resource('VirtualService', 'shop', { hosts: ['a.mesh'], http: [{ route: [{ destination: { host: 'a.mesh', subset } }] }] }, 's')
const versions = resource('DestinationRule', 'shop', { host: 'a.mesh', subsets: [{ name: 'v1', labels: { version: '1' } }] }, 's')

test('a resource is programmed once every router has acknowledged what came of it', async (t) => {
  const { publisher, status: standing, connect, subscribe } = await pilot(t)
  const key = 'virtualservice/s/shop'
  await replace(publisher, [process_, instance('i', 1000), route('a.mesh'), versions, shop('v1')])
  t.match(standing.all()[key], { generation: 1, programmed: false }, 'there is no router')
  const quick = subscribe(connect()).acknowledgeAll()
  const slow = subscribe(connect())
  await eventually(() => quick.received().includes('route pub') && slow.messages.length)
  t.match(standing.all()[key], { programmed: false }, 'one router has not answered')
  t.same(standing.changes(), {}, 'nothing is new')
  slow.acknowledgeAll()
  await eventually(() => standing.changes()[key]?.programmed)
  t.same(standing.changes(), {}, 'what was told is not told again')
  t.same(standing.all()[key], { generation: 1, programmed: true })

  await publisher.apply([{ kind: 'resource', key, value: null }])
  t.same(standing.changes()[key], null)
  t.notOk(standing.all()[key])
})

test('what of a resource cannot be served is said, and what comes back good is no longer', async (t) => {
  const { publisher, translator, status: standing } = await pilot(t)
  await replace(publisher, [process_, instance('i', 1000), route('a.mesh'), shop('v1'), versions])
  const degraded = (key = 'virtualservice/s/shop') => standing.all()[key]?.degraded
  t.equal(degraded(), undefined)
  await publisher.apply([{ kind: 'resource', key: versions.key, value: null }])
  t.match(degraded(), /no DestinationRule gives a.mesh a subset v1/)
  t.match(faultsOf(translator).degraded, [{ key: 'virtualservice/s/shop' }])
  await publisher.apply([versions])
  t.equal(degraded(), undefined)
  await publisher.apply([{ ...route('a.mesh'), value: { ...route('a.mesh').value, space: 'other' } } as Change])
  t.match(degraded(), /a.mesh is a route of another space now/)
  t.match(degraded(versions.key), /a.mesh is a route of another space now/, 'its rules are the other space’s from now on')
  await publisher.apply([{ kind: 'route', key: 'pub/a.mesh', value: null }])
  t.match(degraded(), /no host of a route/)
  t.match(degraded(versions.key), /no host of a route/)
})

test('a name reaches the routes that send to its apps alone, and says so where none does', async (t) => {
  const { publisher, status: standing } = await pilot(t)
  const app: Change = { kind: 'app', key: 'a', value: { name: 'shop', space: 's', labels: {}, annotations: {} } }
  const alone = route('a.mesh') as Extract<Change, { kind: 'route' }>
  const [destination] = alone.value!.destinations
  const shared: Change = { ...alone, value: { ...alone.value!, destinations: [destination!, { ...destination!, app: 'b' }] } }
  const named = resource('VirtualService', 'named', { hosts: ['shop'], http: [{ directResponse: { status: 418 } }] }, 's')
  const degraded = () => standing.all()[named.key]?.degraded
  await replace(publisher, [app, process_, alone, named])
  t.equal(degraded(), undefined)
  await publisher.apply([shared])
  t.match(degraded(), /the routes of the apps that shop names \(a\.mesh\) send to other apps, too, [^]*write their hosts/)
  await publisher.apply([{ kind: 'route', key: alone.key, value: null }])
  t.match(degraded(), /no route sends to the apps that shop names/)
  await publisher.apply([{ kind: 'app', key: 'a', value: null }])
  t.match(degraded(), /shop is no host of a route, no app of this space/)
})

test('a resource that pilot cannot read leaves all others as they are', async (t) => {
  const { publisher, translator, status: standing } = await pilot(t)
  await replace(publisher, [process_, instance('i', 1000), route('a.mesh'), versions, shop('v1')])
  const poison = {
    ...shop('v1'),
    value: { ...shop('v1').value, metadata: { ...shop('v1').value!.metadata, generation: 2 }, spec: { hosts: 7, http: [{ timeout: [] }] } },
  } as unknown as Change
  const unknown = {
    kind: 'resource',
    key: 'sidecar/s/x',
    value: { ...shop('v1').value, kind: 'Sidecar', metadata: { ...shop('v1').value!.metadata, name: 'x' } },
  } as unknown as Change
  await publisher.apply([poison, unknown, route('b.mesh')])
  t.match(translator.faults, [
    { kind: 'resource', key: 'virtualservice/s/shop', reason: /spec/ },
    { kind: 'resource', key: 'sidecar/s/x', reason: /Sidecar/ },
  ])
  t.match(standing.all()['virtualservice/s/shop'], { generation: 2, degraded: /spec/ })
  t.ok(translator.rules.host('pub', 'a.mesh'), 'its last good version holds')
  t.ok(translator.model.get('route', 'pub/b.mesh'))
})

test('a refusal shows at the resources that it comes of', async (t) => {
  const { publisher, status: standing, connect, subscribe } = await pilot(t)
  await replace(publisher, [process_, instance('i', 1000), route('a.mesh'), versions, shop('v1')])
  const client = subscribe(connect())
  const { nonce, resources: sent } = await eventually(() => client.messages.find(({ typeUrl }) => typeUrl === typeUrls.cluster))
  const { name, version } = sent.find((one) => one.name.startsWith('rule/v1'))!
  client.send({
    typeUrl: typeUrls.cluster,
    responseNonce: nonce,
    errorDetail: refusalStatus([{ typeUrl: typeUrls.cluster, name, version, reason: 'no good' }]),
  })
  await eventually(() => standing.all()[versions.key]?.degraded)
  t.match(standing.all(), {
    [versions.key]: { programmed: false, degraded: /router-1 refuses rule\/v1.*no good/ },
    'virtualservice/s/shop': { programmed: false, degraded: /no good/ },
  })
})

test('a transaction of any size is one step: no rule comes before the subset that it names', async (t) => {
  const { publisher, translator, connect, subscribe } = await pilot(t)
  await replace(publisher, [process_, instance('i', 1000), route('a.mesh')])
  const client = subscribe(connect()).acknowledgeAll()
  await eventually(() => client.received().includes('route pub'))
  const before = client.received().length
  const many = Array.from({ length: 450 }, (_, i) => route(`h${i}.mesh`))
  await publisher.apply([shop('v1'), ...many, versions])
  await eventually(() => client.received().slice(before).includes('route pub'))
  const after = client.received().slice(before)
  t.equal(after.filter((one) => one === 'route pub').length, 1)
  t.ok(
    after.indexOf('cluster rule/v1//route pub/a.mesh') >= 0 &&
      after.indexOf('cluster rule/v1//route pub/a.mesh') < after.indexOf('route pub'),
  )
  t.same(translator.degraded('virtualservice/s/shop'), [])
})

test('a Gateway whose selector means no router says so, until one is there', async (t) => {
  const { publisher, status: standing, connect, subscribe } = await pilot(t)
  const gateway = resource(
    'Gateway',
    'door',
    { selector: { app: 'workloads' }, servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['a.mesh'] }] },
    's',
  )
  await replace(publisher, [route('a.mesh'), gateway])
  t.match(standing.changes(), { [gateway.key]: { programmed: false, degraded: undefined } }, 'without routers nobody knows')
  subscribe(connect()).acknowledgeAll()
  const said = await eventually(() => standing.changes()[gateway.key]?.degraded)
  t.match(said, /spec\.selector: no router has the labels app=workloads.*they have none/)
  const other = connect()
  other.send({
    node: { id: 'router-2', metadata: { ...node.metadata, labels: { app: 'workloads' } } },
    typeUrl: typeUrls.listener,
    resourceNamesSubscribe: ['*'],
  })
  other.acknowledgeAll()
  await eventually(() => {
    const { programmed, degraded } = standing.all()[gateway.key]!
    return programmed && degraded === undefined
  })
})
