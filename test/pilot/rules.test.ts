import { fromBinary } from '@bufbuild/protobuf'
import { test } from 'tap'
import { RouteConfigurationSchema } from '../../src/common/proto/gen/envoy/config/route/v3/route_pb.js'
import type { Logger } from '../../src/common/log.ts'
import { ResourceCache } from '../../src/common/xds/cache.ts'
import { typeUrls, type ResourceUpdate } from '../../src/common/xds/resources.ts'
import type { Change, Exposure } from '../../src/mesh/records.ts'
import { mostBeneath } from '../../src/mesh/rules/hosts.ts'
import { RoutingAdvice } from '../../src/pilot/ads/advice.ts'
import { Translator } from '../../src/pilot/translate/translator.ts'
import { ask } from '../support/client.ts'
import { TestInstance } from '../support/instance.ts'
import { within } from '../support/statistics.ts'
import { destination, instance, process, resource, route } from './records.ts'
import { envoyAbsent, instanceAuthority, Rig, routerAuthority, settingsOf } from './rig.ts'

const app = (key: string, version: string): Change => ({
  kind: 'app',
  key,
  value: { name: key, space: 'space', labels: { app: 'shop', version }, annotations: {} },
})
const world: Change[] = [
  app('a', '1'),
  app('b', '2'),
  process('p', 1, 'a'),
  process('q', 1, 'b'),
  instance('i', { process: 'p' }),
  instance('j', { process: 'q', address: '10.0.0.2' }),
  route('shop.test', [destination(['p'], { app: 'a' }), destination(['q'], { app: 'b' })]),
  route('other.test', [destination(['q'], { app: 'b' })]),
  resource('DestinationRule', 'shop', {
    host: 'shop.test',
    subsets: [
      { name: 'one', labels: { version: '1' } },
      { name: 'two', labels: { version: '2' } },
    ],
  }),
  resource('VirtualService', 'shop', { hosts: ['shop.test'], http: [{ route: [{ destination: { host: 'shop.test', subset: 'one' } }] }] }),
]

function translation(changes: Change[]) {
  const translator = new Translator(settingsOf())
  const cache = new ResourceCache()
  cache.apply({ changed: translator.constants, removed: [] })
  cache.apply(translator.apply(changes))
  const configuration = (exposure: Exposure = 'pub') => fromBinary(RouteConfigurationSchema, cache.get(typeUrls.route, exposure)!.any.value)
  const effect = (changes: Change[]): string[] => {
    const seen: string[] = []
    const unwatch = cache.watch(({ changed, removed }: ResourceUpdate) =>
      seen.push(...[...changed, ...removed].map(({ typeUrl, name }) => `${typeUrl.split('.').at(-1)} ${name}`)),
    )
    cache.apply(translator.apply(changes))
    unwatch()
    return seen.sort()
  }
  return { translator, cache, configuration, effect }
}

const one = 'rule/one//route pub/shop.test'
const two = 'rule/two//route pub/shop.test'

test('a change touches the hosts, clusters and endpoints that depend on it and no other', (t) => {
  const { effect } = translation(world)
  t.same(effect([instance('i', { process: 'p', address: '10.0.0.9' })]), [
    'ClusterLoadAssignment pub/shop.test',
    `ClusterLoadAssignment ${one}`,
  ])
  t.same(effect([instance('j', { process: 'q', address: '10.0.0.8' })]), [
    'ClusterLoadAssignment pub/other.test',
    'ClusterLoadAssignment pub/shop.test',
  ])
  t.same(
    effect([
      resource('VirtualService', 'shop', {
        hosts: ['shop.test'],
        http: [{ route: [{ destination: { host: 'shop.test', subset: 'two' } }] }],
      }),
    ]),
    [`Cluster ${one}`, `Cluster ${two}`, `ClusterLoadAssignment ${one}`, `ClusterLoadAssignment ${two}`, 'RouteConfiguration pub'],
  )
  t.same(effect([app('a', '2')]), [`Cluster ${two}`, `ClusterLoadAssignment ${two}`], 'a label moves an app into a subset')
  t.same(
    effect([
      resource('DestinationRule', 'other', { host: 'other.test', trafficPolicy: { connectionPool: { tcp: { maxConnections: 1 } } } }),
    ]),
    ['Cluster pub/other.test'],
  )
  t.end()
})

test('a resource shapes only the routes of its own space, unless it is the operator’s', (t) => {
  const foreign = resource(
    'VirtualService',
    'steal',
    { hosts: ['shop.test'], http: [{ redirect: { authority: 'evil.test' } }] },
    'another-space',
  )
  const { configuration, effect } = translation([...world.slice(0, -1), foreign])
  t.same(
    configuration().virtualHosts.map(({ name }) => name),
    ['platform'],
  )
  t.same(effect([resource('VirtualService', 'closed', { hosts: ['*'], http: [{ directResponse: { status: 503 } }] }, 'mesh-system')]), [
    'RouteConfiguration pub',
  ])
  t.same(
    configuration().virtualHosts.map(({ name }) => name),
    ['other.test', 'shop.test', 'platform'],
  )
  t.end()
})

test('buckets are advised above 2,000 hosts with rules, once in the log', (t) => {
  const said: unknown[] = []
  const log = { warn: (text: unknown) => said.push(text) } as unknown as Logger
  const many = [...Array(2001).keys()].flatMap((n): Change[] => [
    route(`h${n}.test`, []),
    resource('VirtualService', `v${n}`, { hosts: [`h${n}.test`], http: [{ directResponse: { status: 200 } }] }),
  ])
  for (const routingShape of ['rds', 'buckets'] as const) {
    const translator = new Translator({ ...settingsOf(), routingShape })
    const advice = new RoutingAdvice(translator, log)
    translator.apply(many.slice(2))
    advice.published()
    t.match(advice.condition(), { ready: true, reason: undefined, hosts: 2000 })
    translator.apply(many.slice(0, 2))
    for (let i = 0; i < 2; i++) advice.published()
    t.match(advice.condition(), { ready: true, reason: routingShape === 'rds' ? /2001 hosts .* buckets/ : undefined })
  }
  t.equal(said.length, 1)
  t.end()
})

test('a rule names its service by the apps’ label, and follows what they are called', (t) => {
  const labelled = (key: string, name: string, label?: string): Change => ({
    kind: 'app',
    key,
    value: { name, space: 'space', labels: label === undefined ? {} : { app: label }, annotations: {} },
  })
  const { configuration, effect } = translation([
    { kind: 'organization', key: 'org', value: { name: 'acme' } },
    { kind: 'space', key: 'space', value: { name: 'Dev', organization: 'org' } },
    labelled('a', 'reviews-v1', 'reviews'),
    labelled('b', 'reviews'),
    process('p', 1, 'a'),
    process('q', 1, 'b'),
    route('stars.test', [destination(['p'], { app: 'a' })]),
    route('reviews.test', [destination(['q'], { app: 'b' })]),
    resource('VirtualService', 'v', { hosts: ['Reviews.dev'], http: [{ route: [{ destination: { host: 'reviews' } }] }] }),
    resource('DestinationRule', 'd', { host: 'reviews', trafficPolicy: { connectionPool: { tcp: { maxConnections: 1 } } } }),
  ])
  const hosts = () => configuration().virtualHosts.map(({ name }) => name)
  t.same(hosts(), ['stars.test', 'platform'], 'the label wins, whatever the route is called')
  t.same(
    effect([labelled('a', 'reviews-v1', 'ratings')]),
    ['Cluster pub/reviews.test', 'Cluster pub/stars.test', 'Cluster rule///apps space/reviews', 'RouteConfiguration pub'],
    'and leaves it to the app of that name, with its policy',
  )
  t.same(hosts(), ['reviews.test', 'platform'])
  effect([{ kind: 'space', key: 'space', value: { name: 'prod', organization: 'org' } }])
  t.same(hosts(), ['platform'], 'a rule that says the space goes out of force when that is renamed')
  effect([{ kind: 'space', key: 'space', value: { name: 'dev', organization: 'org' } }])
  t.same(hosts(), ['reviews.test', 'platform'])
  effect([{ kind: 'app', key: 'b', value: null }])
  t.same(hosts(), ['platform'])
  t.end()
})

test('platform hosts beneath a wildcard host with rules win over it', (t) => {
  const { configuration, effect } = translation([
    ...world.slice(0, 6),
    route('*.shop.test', [destination(['p'])]),
    route('a.shop.test', [destination(['p'])], { space: 'another-space' }),
    resource('VirtualService', 'all', { hosts: ['*.shop.test'], http: [{ directResponse: { status: 418 } }] }),
  ])
  const domains = () => Object.fromEntries(configuration().virtualHosts.map((host) => [host.name, host.domains]))
  t.same(domains(), { '*.shop.test': ['*.shop.test', '*.shop.test.'], platform: ['*', 'a.shop.test', 'a.shop.test.'] })
  effect([route('b.shop.test', [destination(['p'])], { space: 'another-space' })])
  t.match(domains()['platform'], ['*', 'a.shop.test', 'a.shop.test.', 'b.shop.test', 'b.shop.test.'])
  t.end()
})

test('a wildcard of the operator’s shapes the first hosts by name, whatever came first, and says so', (t) => {
  const host = (position: number): string => `h${String(position).padStart(4, '0')}.shop.test`
  const at = (name: string): Change => route(name, [destination(['p'])])
  const rest = [
    ...world.slice(0, 6),
    at('*.shop.test'),
    ...Array.from({ length: mostBeneath - 1 }, (_none, position) => at(host(2 * position + 2))),
  ]
  const wildcard = (namespace: string): Change =>
    resource('VirtualService', 'all', { hosts: ['*.shop.test'], http: [{ directResponse: { status: 418 } }] }, namespace)
  const operators = wildcard('mesh-system')
  const { configuration, effect, translator } = translation([...rest, operators])
  const ruled = () =>
    configuration()
      .virtualHosts.map(({ name }) => name)
      .filter((name) => !['platform', '*.shop.test'].includes(name))
  const asPlatform = () => configuration().virtualHosts.find(({ name }) => name === 'platform')!.domains
  const degraded = () => translator.degraded(operators.key)
  const last = host(2 * mostBeneath - 2)

  t.equal(ruled().length, mostBeneath - 1)
  effect([at(host(1))])
  t.same([ruled().length, ruled().at(-1), degraded()], [mostBeneath, last, []], 'as many as it may')
  effect([at(host(3))])
  t.same(
    [ruled().length, ruled().includes(host(3)), ruled().includes(last)],
    [mostBeneath, true, false],
    'one more takes the place of the last by name',
  )
  t.ok(asPlatform().includes(last), 'which is served as the platform says, not as the wildcard route')
  t.match(degraded(), [/^\*\.shop\.test has more than 2000 hosts beneath it, .* write narrower wildcards/])
  effect([at(host(9998))])
  t.same([ruled().length, ruled().includes(host(9998))], [mostBeneath, false])
  t.same(
    translation([operators, at(host(9998)), ...rest, at(host(3)), at(host(1))].toReversed()).configuration(),
    configuration(),
    'another pilot, told in another order, has the same',
  )
  effect([{ ...at(host(1)), value: null }])
  t.same([ruled().length, ruled().at(-1)], [mostBeneath, last], 'one that goes leaves room')
  t.notOk(asPlatform().includes(last))
  effect([{ ...at(host(9998)), value: null }])
  t.same(degraded(), [])
  effect([at(host(1)), at(host(9998)), { ...operators, value: null }, wildcard('space')])
  t.equal(ruled().length, mostBeneath + 2, 'a space’s wildcard reaches its own routes, all of them')
  t.end()
})

test('a real Envoy does what rules say', { skip: envoyAbsent }, async (t) => {
  const rig = await Rig.start()
  t.teardown(() => rig.stop())
  const start = (name: string) =>
    TestInstance.start({
      identities: instanceAuthority,
      routerCa: routerAuthority.certificate,
      handler: (request, response) => response.end(`${name} ${request.url} ${String(request.headers['x-set'] ?? '')}`),
    })
  const [first, second] = [await start('one'), await start('two')]
  t.teardown(() => Promise.all([first.stop(), second.stop()]))
  const translator = new Translator(settingsOf())
  rig.cache.apply({ changed: translator.constants, removed: [] })
  const apply = async (...changes: Change[]): Promise<void> => {
    rig.cache.apply(translator.apply(changes))
    await rig.settled()
    t.same(rig.refused.splice(0), [])
  }
  const [, rules] = world.slice(-2)
  await apply(
    ...world.slice(0, 4),
    { kind: 'instance', key: first.guid, value: first.record('p') },
    { kind: 'instance', key: second.guid, value: second.record('q') },
    ...world.slice(6, 9),
    rules!,
    route('shop.test', [destination(['p'], { app: 'a' })], { path: '/plain', space: 'another-space' }),
  )
  await rig.listening()
  const port = rig.ports[0]!
  const http = (http: object[]): Change => resource('VirtualService', 'shop', { hosts: ['shop.test'], http })
  const to = (subset: string, weight = 100) => ({ destination: { host: 'shop.test', subset }, weight })

  t.equal((await ask(port, 'shop.test:80')).body, 'one / ')
  t.equal((await ask(port, 'SHOP.test.')).body, 'one / ')
  await apply(http([{ route: [to('one', 20), to('two', 80)] }]))
  let hits = 0
  for (let i = 0; i < 400; i++) if ((await ask(port, 'shop.test')).body.startsWith('two')) hits++
  t.ok(within(hits, 400, 0.8), `${hits} of 400`)

  await apply(
    http([
      {
        match: [{ uri: { prefix: '/chrome' }, headers: { 'user-agent': { regex: '.*Chrome.*' } } }],
        route: [to('two')],
        rewrite: { uri: '/c' },
        headers: { request: { set: { 'x-set': 'yes' } }, response: { add: { 'x-rule': '1' } } },
      },
      { match: [{ uri: { prefix: '/abort' } }], fault: { abort: { httpStatus: 555, percentage: { value: 100 } } }, route: [to('one')] },
      { match: [{ uri: { exact: '/go' } }], redirect: { uri: '/gone', redirectCode: 307 } },
      { match: [{ uri: { exact: '/gone' } }], directResponse: { status: 410, body: { string: 'gone' } } },
      { match: [{ uri: { exact: '/lost' } }], route: [{ destination: { host: 'shop.test', subset: 'three' } }] },
      { match: [{ uri: { prefix: '/' }, withoutHeaders: { 'x-no': {} } }], route: [to('one')] },
    ]),
  )
  const chrome = await ask(port, 'shop.test', { path: '/chrome/x', headers: { 'user-agent': 'a Chrome b' } })
  t.same([chrome.body, chrome.headers['x-rule']], ['two /c/x yes', '1'])
  t.equal((await ask(port, 'shop.test', { path: '/abort' })).status, 555)
  const gone = await ask(port, 'shop.test', { path: '/go' })
  t.same([gone.status, gone.headers.location], [307, 'http://shop.test/gone'])
  t.same(await ask(port, 'shop.test', { path: '/gone' }).then(({ status, body }) => [status, body]), [410, 'gone'])
  t.equal((await ask(port, 'shop.test', { path: '/lost' })).status, 503, 'a subset that nobody has')
  t.equal((await ask(port, 'shop.test', { headers: { 'x-no': '1' } })).status, 404, 'nothing matches')
  t.equal(
    (await ask(port, 'shop.test', { path: '/plain/x', headers: { 'x-no': '1' } })).body,
    'one /plain/x ',
    'another space’s path is as it was',
  )
})
