import { test } from 'tap'
import { fromBinary } from '@bufbuild/protobuf'
import { ClusterLoadAssignmentSchema } from '../../src/common/proto/gen/envoy/config/endpoint/v3/endpoint_pb.js'
import { createLogger } from '../../src/common/log.ts'
import { createAuthority, issueCertificate } from '../../src/common/pki.ts'
import { ResourceCache } from '../../src/common/xds/cache.ts'
import { typeUrls } from '../../src/common/xds/resources.ts'
import type { Change } from '../../src/mesh/records.ts'
import type { ServiceEntrySpec } from '../../src/mesh/istio/types.ts'
import { Publisher } from '../../src/pilot/ads/publisher.ts'
import { resolver } from '../../src/pilot/egress/resolver.ts'
import { explain } from '../../src/pilot/explain.ts'
import { Translator } from '../../src/pilot/translate/translator.ts'
import { ask } from '../support/client.ts'
import { eventually } from '../support/wait.ts'
import { resource } from './records.ts'
import { envoyAbsent, instanceAuthority, Rig, settingsOf } from './rig.ts'
import { createServer } from 'node:https'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'

const entry = (spec: Partial<ServiceEntrySpec> = {}, namespace = 'space'): Change =>
  resource(
    'ServiceEntry',
    'api',
    { hosts: ['api.test'], resolution: 'DNS', ports: [{ number: 80, name: 'http', protocol: 'HTTP' }], ...spec },
    namespace,
  )
const key = 'serviceentry/space/api'

function world(changes: Change[], settings = {}) {
  const translator = new Translator(settingsOf(settings))
  const cache = new ResourceCache()
  const publisher = new Publisher(translator, cache)
  cache.apply(translator.apply([{ kind: 'space', key: 'space', value: { name: 'dev', organization: 'org' } }, ...changes]))
  const endpoints = (): string[] =>
    [...cache.all(typeUrls.endpoint).values()].flatMap(({ any }) =>
      fromBinary(ClusterLoadAssignmentSchema, any.value).endpoints.flatMap(({ lbEndpoints }) =>
        lbEndpoints.map(({ hostIdentifier }) => {
          const socket = hostIdentifier.case === 'endpoint' ? hostIdentifier.value.address?.address : undefined
          return socket?.case === 'socketAddress' && hostIdentifier.case === 'endpoint'
            ? `${hostIdentifier.value.hostname} ${socket.value.address}:${socket.value.portSpecifier.value}`
            : ''
        }),
      ),
    )
  return { translator, publisher, endpoints }
}

test('what a space that is gone has left is reached by nobody', (t) => {
  const { translator } = world([entry({ resolution: 'STATIC', endpoints: [{ address: '192.0.2.1' }] })])
  const isMet = () => explain(translator, 'api.test', '/', { exposure: 'int' }).answer === undefined
  t.ok(isMet())
  translator.apply([{ kind: 'space', key: 'space', value: null }])
  t.notOk(isMet())
  translator.apply([{ kind: 'space', key: 'space', value: { name: 'dev', organization: 'org' } }])
  t.ok(isMet())
  t.end()
})

test('names of external services are asked for while they are used, and followed', async (t) => {
  const { translator, publisher, endpoints } = world([entry()])
  t.same([...translator.rules.namesToResolve()], ['api.test'])
  let answer = ['192.0.2.1']
  const asked: string[] = []
  const part = resolver({
    wanted: () => translator.rules.namesToResolve(),
    resolved: (name, addresses) => publisher.resolved(name, addresses),
    log: createLogger('test', 'silent'),
    every: 5,
    lookup: async (name) => {
      asked.push(name)
      return { addresses: answer, ttl: 0 }
    },
  })
  await part.start()
  t.teardown(() => part.stop())
  await eventually(() => endpoints().length)
  t.same(endpoints(), ['api.test 192.0.2.1:80'])
  t.same(asked, ['api.test'], 'an answer holds for some seconds, whatever its time to live')
  answer = ['192.0.2.2']
  await publisher.apply([{ kind: 'resource', key, value: null }])
  t.same(endpoints(), [])
  t.same([...translator.rules.namesToResolve()], [])
})

test('a name that leads to a private address is not sent to, unless the operator allows it', (t) => {
  const { translator, endpoints } = world([entry()])
  const at = (...addresses: string[]): string[] => {
    translator.resolved('api.test', addresses)
    return addresses
  }
  const resolved = (spec: Partial<ServiceEntrySpec>, namespace: string, settings: object, ...addresses: string[]) => {
    const made = world([entry(spec, namespace)], settings)
    made.publisher.resolved('api.test', addresses)
    return made.endpoints()
  }
  for (const address of ['10.0.0.1', '127.0.0.1', '169.254.169.254', '192.168.1.1', '::1', 'fe80::1', 'fd00::1', '::ffff:10.0.0.1']) {
    t.same(resolved({}, 'space', {}, address, '192.0.2.1'), ['api.test 192.0.2.1:80'], address)
  }
  t.same(resolved({}, 'space', { egressAllowed: ['10.1.0.0/16'] }, '10.1.2.3', '10.2.0.1'), ['api.test 10.1.2.3:80'])
  t.same(resolved({}, 'mesh-system', {}, '10.2.0.1'), ['api.test 10.2.0.1:80'], 'the operator’s own')
  t.same(
    resolved(
      {
        resolution: 'STATIC',
        endpoints: [{ address: '10.2.0.1' }, { address: 'unix:///x' }, { address: '192.0.2.7', ports: { http: 8080 }, weight: 2 }],
      },
      'space',
      {},
    ),
    ['192.0.2.7 192.0.2.7:8080'],
  )
  at('10.0.0.1')
  t.match(translator.degraded(key), [/api.test leads to 10.0.0.1, which is a private address/])
  at()
  t.match(translator.degraded(key), [/api.test has no address/])
  at('192.0.2.1')
  t.same(translator.degraded(key), [])
  t.same(endpoints(), [], 'the cache of this world was not told')
  t.end()
})

test('a real Envoy asks an external service by TLS and checks its name', { skip: envoyAbsent }, async (t) => {
  const rig = await Rig.start({ listeners: [{ exposure: 'int' }] })
  t.teardown(() => rig.stop())
  const serve = async (authority: typeof instanceAuthority): Promise<number> => {
    const { certificate, key } = issueCertificate(authority, { commonName: 'api.test', dns: ['api.test'], usages: ['server'] })
    const server = createServer({ cert: certificate, key }, (request, response) => response.end(`${request.headers.host} ${request.url}`))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.teardown(() => server.close())
    return (server.address() as AddressInfo).port
  }
  const [trusted, stranger] = [await serve(instanceAuthority), await serve(createAuthority('stranger'))]
  const translator = new Translator(settingsOf())
  rig.cache.apply({ changed: translator.constants, removed: [] })
  const apply = async (...changes: Change[]): Promise<void> => {
    rig.cache.apply(translator.apply(changes))
    rig.cache.apply(translator.resolved('api.test', ['127.0.0.1']))
    await rig.settled()
    t.same(rig.refused.splice(0), [])
  }
  const rule = (tls: object): Change => resource('DestinationRule', 'api', { host: 'api.test', trafficPolicy: { tls } }, 'mesh-system')
  const external = (port: number, more: Partial<ServiceEntrySpec> = {}): Change =>
    entry({ ports: [{ number: 80, targetPort: port, name: 'http', protocol: 'HTTP' }], ...more }, 'mesh-system')
  await apply(external(trusted), rule({ mode: 'SIMPLE' }))
  await rig.listening()
  const answer = async () => {
    const { status, body } = await ask(rig.ports[0]!, 'api.test', { path: '/x' })
    return status === 200 ? body : status
  }
  t.equal(await answer(), 'api.test /x')
  await apply(rule({ mode: 'SIMPLE', sni: 'other.test' }))
  t.equal(await answer(), 502, 'its certificate is for another name')
  await apply(rule({ mode: 'SIMPLE', sni: 'other.test', subjectAltNames: ['api.test'] }))
  t.equal(await answer(), 'api.test /x')
  await apply(rule({ mode: 'SIMPLE' }), external(trusted, { subjectAltNames: ['nobody.test'] }))
  t.equal(await answer(), 502)
  await apply(external(stranger), rule({ mode: 'SIMPLE' }))
  t.equal(await answer(), 502, 'nobody knows its CA')
  await apply(rule({ mode: 'SIMPLE', insecureSkipVerify: true }))
  t.equal(await answer(), 'api.test /x')
})
