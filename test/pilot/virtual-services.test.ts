import { fromBinary } from '@bufbuild/protobuf'
import { test } from 'tap'
import { RouteConfigurationSchema } from '../../src/common/proto/gen/envoy/config/route/v3/route_pb.js'
import { typeUrls } from '../../src/common/xds/resources.ts'
import type { HttpRoute } from '../../src/mesh/istio/types.ts'
import type { Change } from '../../src/mesh/records.ts'
import { Translator } from '../../src/pilot/translate/translator.ts'
import { destination, process, resource, route } from './records.ts'
import { settingsOf } from './rig.ts'

const service = (name: string, hosts: string[], http: HttpRoute[], { namespace = 'space', at = '2026-01-01' } = {}): Change => {
  const { kind, key, value } = resource('VirtualService', name, { hosts, http }, namespace)
  return { kind, key, value: value && { ...value, metadata: { ...value.metadata, createdAt: `${at}T00:00:00Z` } } }
}
const to = (host: string): HttpRoute['route'] => [{ destination: { host } }]
const world: Change[] = [process('p', 0), route('shop.test', [destination(['p'])])]

/** The names of a host's routes, in their order. */
function routesOf(changes: Change[], host = 'shop.test'): { names: string[]; degraded: (key: string) => string[] } {
  const translator = new Translator(settingsOf())
  translator.apply([...world, ...changes])
  const configuration = translator.constants.find(({ typeUrl, name }) => typeUrl === typeUrls.route && name === 'pub')
  const virtualHost = fromBinary(RouteConfigurationSchema, configuration!.any.value).virtualHosts.find(({ name }) => name === host)
  return { names: virtualHost?.routes.map(({ name }) => name) ?? [], degraded: (key) => translator.degraded(key) }
}

test('of several VirtualServices of a host the oldest comes first, and what is for all requests last', (t) => {
  const { names } = routesOf([
    service('young', ['shop.test'], [{ match: [{ uri: { prefix: '/a' } }], route: to('shop.test') }], { at: '2026-03-01' }),
    service('old', ['shop.test'], [{ match: [{ uri: { prefix: '/b' } }], route: to('shop.test') }, { route: to('shop.test') }], {
      at: '2026-02-01',
    }),
    service('middle', ['shop.test'], [{ match: [{ uri: { prefix: '/' }, method: { exact: 'GET' } }], route: to('shop.test') }], {
      at: '2026-02-02',
    }),
  ])
  t.same(names, ['space/old http[0]', 'space/middle http[0]', 'space/young http[0]', 'space/old http[1]'])
  t.end()
})

test('the operator’s rules come before a space’s, and the closest name before a wildcard', (t) => {
  const rule: HttpRoute[] = [{ match: [{ uri: { prefix: '/x' } }], route: to('shop.test') }]
  const own = service('own', ['shop.test'], rule)
  t.same(routesOf([own, service('all', ['shop.test'], rule, { namespace: 'mesh-system', at: '2027-01-01' })]).names, [
    'mesh-system/all http[0]',
    'space/own http[0]',
  ])
  t.same(routesOf([own, service('all', ['*.test'], rule)]).names, ['space/own http[0]'])
  t.same(routesOf([service('all', ['*.test'], rule)]).names, ['space/all http[0]'])
  t.same(routesOf([service('all', ['*.test'], rule, { namespace: 'another' })]).names, [], 'a wildcard reaches its own space only')
  t.end()
})

test('a delegate’s entry that contradicts its root is left out; a missing one is said', (t) => {
  const root = service(
    'root',
    ['shop.test'],
    [{ match: [{ uri: { prefix: '/a' }, headers: { x: { exact: '1' } } }], delegate: { name: 'leaf' } }],
  )
  const leaf = (...http: HttpRoute[]): Change => ({ ...resource('VirtualService', 'leaf', { http }) })
  const entry = (match: NonNullable<HttpRoute['match']>[number]): HttpRoute => ({ match: [match], route: to('shop.test') })
  t.same(
    routesOf([
      root,
      leaf(
        entry({ uri: { prefix: '/a/b' } }),
        entry({ uri: { prefix: '/b' } }),
        entry({ headers: { x: { exact: '2' } } }),
        entry({ headers: { x: { exact: '1' }, y: { exact: '2' } } }),
      ),
    ]).names,
    ['space/leaf http[0]', 'space/leaf http[3]'],
  )
  const { names, degraded } = routesOf([root])
  t.same(names, [])
  t.match(degraded('virtualservice/space/root'), [/no VirtualService leaf to delegate to/])
  t.end()
})
