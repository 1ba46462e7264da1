import { test } from 'tap'
import { explain } from '../../src/pilot/explain.ts'
import { Translator } from '../../src/pilot/translate/translator.ts'
import { destination, instance, process, resource, route } from './records.ts'
import { settingsOf } from './rig.ts'

const translator = new Translator(settingsOf())
translator.apply([
  { kind: 'app', key: 'app', value: { name: 'hello', space: 'space', labels: {}, annotations: {} } },
  { kind: 'space', key: 'space', value: { name: 'dev', organization: 'o' } },
  process('p', 1),
  process('q', 3, 'app-2'),
  instance('i'),
  instance('j', { index: 1, address: '10.0.0.2' }),
  instance('k', { process: 'q', address: 'fd00::1' }),
  route('hello.test', [destination(['p'])]),
  route('hello.test', [destination(['p'], { weight: 90 }), destination(['q'], { app: 'app-2', weight: 10, protocol: 'http2' })], {
    path: '/v2',
    options: { loadbalancing: 'least-connection' },
  }),
  route('*.test', [destination([])]),
  route('hello.test', [], { path: '/bad//path' }),
  route('back.internal', [destination(['p'])], { exposure: 'int' }),
  route('split.test', [destination(['p'])]),
  resource('VirtualService', 'split', {
    hosts: ['split.test'],
    http: [{ route: [{ destination: { host: 'split.test', subset: 'v9' } }] }],
  }),
  {
    kind: 'app',
    key: 'checked',
    value: { name: 'checked', space: 'space', labels: {}, annotations: { 'mesh.cloudfoundry.org/health-check': 'grpc' } },
  },
  route('one.test', [destination(['p'], { app: 'checked' })]),
  route('two.test', [destination(['p'], { app: 'checked', protocol: 'http2' })]),
])

test('a request is explained from its normal form to the instances', (t) => {
  t.match(explain(translator, 'HELLO.test:80', '/x/../a?b'), {
    host: 'hello.test',
    path: '/a',
    exposure: 'pub',
    answer: undefined,
    tried: ['pub/hello.test/a', 'pub/hello.test'],
    route: {
      key: 'pub/hello.test',
      space: { guid: 'space', name: 'dev' },
      protocol: 'http1',
      loadBalancing: 'round-robin',
      notes: [],
      destinations: [{ app: { guid: 'app', name: 'hello' }, share: 1 }],
    },
    instances: [{ guid: 'i', app: 'app', process: 'p', index: 0, address: '10.0.0.1:61001', weight: 1, share: 1 }],
    leftOut: [{ guid: 'j', reason: /index 1/ }],
  })
  t.end()
})

test('shares and what was not heeded are told', (t) => {
  const { route, instances } = explain(translator, 'hello.test', '/v2/x')
  t.same(
    instances.map(({ address, weight, share }) => [address, weight, share]),
    [
      ['10.0.0.1:61001', 9, 0.9],
      ['[fd00::1]:61001', 1, 0.1],
    ],
  )
  t.same(
    route?.destinations.map(({ share }) => share),
    [0.9, 0.1],
  )
  t.match(route?.notes, [/HTTP\/1.1/, /weights hold only/])
  t.end()
})

test('a rule whose destination is not there is told to answer 503', (t) => {
  t.match(explain(translator, 'split.test', '/').answer, { status: 503, reason: /http\[0\] sends to split\.test.*v9.*not there/ })
  t.end()
})

test('an app that is mapped as http1 is told that it cannot be checked by gRPC', (t) => {
  t.match(explain(translator, 'one.test', '/').route?.notes, [/gRPC is HTTP\/2.*--app-protocol http2/])
  t.same(explain(translator, 'two.test', '/').route?.notes, [])
  t.end()
})

test('what the router answers by itself is told with its reason', (t) => {
  t.match(explain(translator, 'other.test', '/'), {
    answer: { status: 503 },
    tried: ['pub/other.test', 'pub/*.test'],
    route: { key: 'pub/*.test' },
  })
  t.match(explain(translator, 'nope.example', '/a'), {
    answer: { status: 404, reason: /no route/ },
    tried: ['pub/nope.example/a', 'pub/nope.example', 'pub/*.example/a', 'pub/*.example'],
  })
  t.match(explain(translator, 'hello.test', '/a b'), { answer: { status: 400 } })
  t.match(explain(translator, 'back.internal', '/'), { answer: { status: 404 } }, 'an internal route is none for public listeners')
  t.match(explain(translator, 'back.internal', '/', { exposure: 'int' }), { answer: undefined, route: { key: 'int/back.internal' } })
  t.end()
})

test('of a host with rules it is told which rule is for the request, why none before it, and where it sends', (t) => {
  const ruled = new Translator(settingsOf())
  ruled.apply([
    { kind: 'app', key: 'app', value: { name: 'shop', space: 'space', labels: { version: 'v1' }, annotations: {} } },
    process('p', 1),
    instance('i'),
    route('shop.test', [destination(['p'])]),
    resource('DestinationRule', 'shop', { host: 'shop.test', subsets: [{ name: 'v1', labels: { version: 'v1' } }] }),
    resource('VirtualService', 'shop', {
      hosts: ['shop.test'],
      http: [
        { match: [{ uri: { prefix: '/admin' } }, { headers: { 'user-agent': { regex: '.*Chrome.*' } } }], directResponse: { status: 403 } },
        {
          match: [{ method: { exact: 'GET' } }],
          route: [
            { destination: { host: 'shop.test', subset: 'v1' }, weight: 25 },
            { destination: { host: 'shop.test' }, weight: 75 },
          ],
        },
      ],
    }),
  ])
  t.match(explain(ruled, 'shop.test', '/a'), {
    answer: undefined,
    rules: {
      rules: [
        {
          rule: 'space/shop http[0]',
          resource: 'virtualservice/space/shop',
          matched: false,
          why: 'match 1: the path is "/a", not what begins with "/admin"; match 2: header user-agent is not there, not what .*Chrome.* matches',
        },
        { rule: 'space/shop http[1]', matched: true },
      ],
      outcome: {
        targets: [
          { host: 'shop.test', subset: 'v1', share: 0.25 },
          { host: 'shop.test', share: 0.75 },
        ],
      },
      clusters: [
        { name: 'rule/v1//route pub/shop.test', share: 0.25 },
        { name: 'pub/shop.test', share: 0.75 },
      ],
    },
  })
  t.match(explain(ruled, 'shop.test', '/a', { headers: [['User-Agent', 'a Chrome']] }), {
    answer: { status: 403, reason: /space\/shop http\[0\]/ },
  })
  t.match(explain(ruled, 'shop.test', '/a', { method: 'POST' }), {
    answer: { status: 404, reason: /none of them/ },
    rules: { clusters: [] },
  })
  t.end()
})

test('limits, redirects to HTTPS and hosts outside are told', (t) => {
  const ruled = new Translator(settingsOf())
  ruled.apply([
    { kind: 'space', key: 'space', value: { name: 'dev', organization: 'org' } },
    route('shop.test', [destination([])]),
    resource('RateLimit', 'shop', { hosts: ['shop.test'], limits: [{ per: 'route', requests: 5, unit: 'second' }] }),
    resource('Gateway', 'shop', {
      servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['shop.test'], tls: { httpsRedirect: true } }],
    }),
    resource('ServiceEntry', 'pay', {
      hosts: ['pay.example.com'],
      resolution: 'STATIC',
      ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
      endpoints: [{ address: '192.0.2.1' }],
    }),
  ])
  t.match(explain(ruled, 'shop.test', '/a'), {
    answer: { status: 301, reason: /httpsRedirect/ },
    before: { limits: [{ limit: 'space/shop limits[0]', counts: true, why: 'it allows 5 a second, by each router' }] },
  })
  t.match(explain(ruled, 'shop.test', '/a', { scheme: 'https' }), { answer: { status: 503 } })
  t.match(explain(ruled, 'pay.example.com', '/a'), { answer: { status: 404 } })
  t.match(explain(ruled, 'pay.example.com', '/a', { exposure: 'int' }), {
    answer: undefined,
    rules: { rules: [{ rule: 'space/pay', resource: 'serviceentry/space/pay', matched: true }], clusters: [{ share: 1 }] },
  })
  t.end()
})
