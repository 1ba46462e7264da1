import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { create } from '@bufbuild/protobuf'
import { test, type Test } from 'tap'
import { Registry } from 'prom-client'
import { validateConfig } from '../../src/common/config.ts'
import { createLogger } from '../../src/common/log.ts'
import { createAuthority, issueCertificate } from '../../src/common/pki.ts'
import { SecretSchema } from '../../src/common/proto/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js'
import { encodeResource, type Refusal, type Resource } from '../../src/common/xds/resources.ts'
import { RouterConfig } from '../../src/istio-router/config.ts'
import { EnvoyMissing, findEnvoy } from '../../src/istio-router/envoy/binary.ts'
import { EnvoyEngine } from '../../src/istio-router/envoy/engine.ts'
import { freePort } from '../support/program.ts'
import { eventually } from '../support/wait.ts'
import { clusterNamed, endpointsOf, listenerOn, refusedCluster, removal, routesTo, typeUrls, undecodable } from './resources.ts'

const skip = envoyThere() ? false : 'Envoy is absent: npm run envoy'
const { envoy } = RouterConfig.properties
const settings = validateConfig(envoy, { concurrency: 1, logLevel: 'critical' }, 'envoy')

test('Envoy as the engine', { skip }, async (t) => {
  const engine = new EnvoyEngine({
    config: { name: 'router', envoy: settings },
    log: createLogger('test', 'silent'),
    metrics: new Registry(),
  })
  t.teardown(() => engine.stop())
  const port = await freePort()
  const app = await serve(t, (_request, response) => void response.end('hello'))
  const ask = async (): Promise<[number, string, string | null]> => {
    const answer = await fetch(`http://127.0.0.1:${port}/`)
    return [answer.status, await answer.text(), answer.headers.get('x-routes')]
  }
  const routes = (clusters: string[], version = '1') => routesTo(clusters, { version })

  await t.test('it is not ready and binds nothing before it has listeners', async (t) => {
    await engine.start()
    await eventually(() => engine.condition().reason === 'there is no listener yet')
    t.equal(engine.condition().ready, false)
    await t.rejects(fetch(`http://127.0.0.1:${port}/`))
  })

  await t.test('what is applied is in force when apply resolves', async (t) => {
    const refusals = await engine.apply({
      changed: [clusterNamed('app'), endpointsOf('app', [app]), listenerOn('http', port), routes(['app'])],
      removed: [],
    })
    t.strictSame(refusals, [])
    await eventually(() => engine.condition().ready)
    t.strictSame(await ask(), [200, 'hello', '1'])
    t.match(engine.condition(), { listeners: ['http'], restarts: 0, reason: undefined })
  })

  await t.test('a changed cluster is in force at once, with the endpoints that it had', async (t) => {
    t.strictSame(await engine.apply({ changed: [clusterNamed('app', { altStatName: 'changed' })], removed: [] }), [])
    t.strictSame(await ask(), [200, 'hello', '1'])
  })

  await t.test('a new certificate is shown to new connections, without a new listener', async (t) => {
    const secure = await freePort()
    t.strictSame(await engine.apply({ changed: [secret('one'), listenerOn('https', secure, { tls: 'tls/site' })], removed: [] }), [])
    await eventually(async () => (await commonName(secure)) === 'one')
    t.strictSame(await engine.apply({ changed: [secret('two')], removed: [] }), [])
    await eventually(async () => (await commonName(secure)) === 'two')
    t.strictSame(await engine.apply({ changed: [], removed: [removal(listenerOn('https', secure))] }), [])
    await eventually(() => refused(secure))
  })

  await t.test('a cluster that Envoy refuses is refused alone', async (t) => {
    const refusals = await engine.apply({
      changed: [clusterNamed('good'), refusedCluster('bad'), endpointsOf('good', [app]), routes(['app', 'good'], '2')],
      removed: [],
    })
    t.match(refusals, [{ typeUrl: typeUrls.cluster, name: 'bad', reason: 'cannot create an EDS cluster without an EDS config' }])
    t.equal(refusals.length, 1)
    t.strictSame(await ask(), [200, 'hello', '2'], 'the rest of the update is in force')
  })

  await t.test('a resource that cannot be decoded is refused alone, among many', async (t) => {
    const many = Array.from({ length: 40 }, (_, i) => clusterNamed(`many-${i}`))
    const endpoints = many.map(({ name }) => endpointsOf(name, [app]))
    const refusals = await engine.apply({
      changed: [
        ...many.slice(0, 13),
        undecodable(typeUrls.cluster, 'broken'),
        ...many.slice(13),
        ...endpoints,
        undecodable(typeUrls.endpoint, 'many-7'),
        routes(['app', 'many-3'], '3'),
      ],
      removed: [],
    })
    t.strictSame(
      new Set(refusals.map(({ typeUrl, name }) => `${typeUrl} ${name}`)),
      new Set([`${typeUrls.cluster} broken`, `${typeUrls.endpoint} many-7`]),
    )
    t.strictSame(await ask(), [200, 'hello', '3'])
  })

  await t.test('of a refused resource the last good version stays, through a crash of Envoy too', async (t) => {
    const late: Refusal[] = []
    engine.onRefused((refusals) => late.push(...refusals))
    const refusals = await engine.apply({
      changed: [undecodable(typeUrls.endpoint, 'app'), refusedCluster('app'), undecodable(typeUrls.route, 'routes')],
      removed: [],
    })
    t.equal(refusals.length, 3)
    t.strictSame(await ask(), [200, 'hello', '3'])

    process.kill(engine.condition()['pid'] as number, 'SIGKILL')
    await eventually(() => engine.condition()['restarts'] === 1 && engine.condition().ready)
    await eventually(async () => (await ask())[2] === '3')
    t.strictSame(late, [], 'the new Envoy is not given what was refused')
  })

  await t.test('an update during a crash waits for the new Envoy', async (t) => {
    process.kill(engine.condition()['pid'] as number, 'SIGKILL')
    t.strictSame(await engine.apply({ changed: [routes(['app'], '4')], removed: [removal(clusterNamed('good'))] }), [])
    await eventually(async () => (await ask())[2] === '4')
  })

  await t.test('draining finishes what is in flight and takes no more', async (t) => {
    let finish = (): void => {}
    const slow = await serve(t, (_request, response) => void (finish = () => response.end('finished')))
    await engine.apply({ changed: [endpointsOf('app', [slow])], removed: [] })
    const answer = ask()
    await eventually(() => finish.name === 'finish')
    let drained = false
    const draining = engine.drain(10_000).then(() => (drained = true))
    await t.resolves(
      eventually(() => refused(port)),
      'no new connection is taken',
    )
    t.equal(drained, false, 'a request is in flight')
    finish()
    t.strictSame((await answer).slice(0, 2), [200, 'finished'])
    await draining
  })
})

test('a missing binary is named, with what to do', (t) => {
  t.throws(() => findEnvoy('/nowhere/envoy'), { code: EnvoyMissing.code, message: /\/nowhere\/envoy.*npm run envoy/ })
  t.end()
})

const authority = createAuthority('test')

function secret(commonName: string): Resource {
  const { certificate, key } = issueCertificate(authority, { commonName })
  const inline = (inlineString: string) => ({ specifier: { case: 'inlineString' as const, value: inlineString } })
  return encodeResource(
    SecretSchema,
    'tls/site',
    create(SecretSchema, {
      name: 'tls/site',
      type: { case: 'tlsCertificate', value: { certificateChain: inline(certificate), privateKey: inline(key) } },
    }),
  )
}

/** The common name of the certificate that a server shows. */
async function commonName(port: number): Promise<unknown> {
  const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { subject } = socket.getPeerCertificate()
  socket.destroy()
  return subject.CN
}

async function refused(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  const outcome = await Promise.race([once(socket, 'connect').then(() => 'taken'), once(socket, 'error').then(() => 'refused')]).catch(
    () => 'refused',
  )
  socket.destroy()
  return outcome === 'refused'
}

async function serve(t: Test, handler: RequestListener): Promise<number> {
  const server = createServer(handler).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

function envoyThere(): boolean {
  try {
    return existsSync(findEnvoy())
  } catch {
    return false
  }
}
