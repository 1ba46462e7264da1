import { test } from 'tap'
import { explain } from '../../src/pilot/explain.ts'
import { Translator } from '../../src/pilot/translate/translator.ts'
import { destination, instance, process, route } from './records.ts'
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
  route('hello.test', [destination(['p'], { weight: 90 }), destination(['q'], { app: 'app-2', weight: 10, protocol: 'http2' })], { path: '/v2', options: { loadbalancing: 'least-connection' } }),
  route('*.test', [destination([])]),
  route('hello.test', [], { path: '/bad//path' }),
  route('back.internal', [destination(['p'])], { exposure: 'int' }),
])

test('a request is explained from its normal form to the instances', (t) => {
  t.match(explain(translator, 'HELLO.test:80', '/x/../a?b'), {
    host: 'hello.test',
    path: '/a',
    exposure: 'pub',
    answer: undefined,
    tried: ['pub/hello.test/a', 'pub/hello.test'],
    route: { key: 'pub/hello.test', space: { guid: 'space', name: 'dev' }, protocol: 'http1', loadBalancing: 'round-robin', notes: [], destinations: [{ app: { guid: 'app', name: 'hello' }, share: 1 }] },
    instances: [{ guid: 'i', app: 'app', process: 'p', index: 0, address: '10.0.0.1:61001', weight: 1, share: 1 }],
    leftOut: [{ guid: 'j', reason: /index 1/ }],
  })
  t.end()
})

test('shares and what was not heeded are told', (t) => {
  const { route, instances } = explain(translator, 'hello.test', '/v2/x')
  t.same(instances.map(({ address, weight, share }) => [address, weight, share]), [['10.0.0.1:61001', 9, 0.9], ['[fd00::1]:61001', 1, 0.1]])
  t.same(route?.destinations.map(({ share }) => share), [0.9, 0.1])
  t.match(route?.notes, [/HTTP\/1.1/, /weights hold only/])
  t.end()
})

test('what the router answers by itself is told with its reason', (t) => {
  t.match(explain(translator, 'other.test', '/'), { answer: { status: 503 }, tried: ['pub/other.test', 'pub/*.test'], route: { key: 'pub/*.test' } })
  t.match(explain(translator, 'nope.example', '/a'), { answer: { status: 404, reason: /no route/ }, tried: ['pub/nope.example/a', 'pub/nope.example', 'pub/*.example/a', 'pub/*.example'] })
  t.match(explain(translator, 'hello.test', '/a b'), { answer: { status: 400 } })
  t.match(explain(translator, 'back.internal', '/'), { answer: { status: 404 } }, 'an internal route is none for public listeners')
  t.match(explain(translator, 'back.internal', '/', { exposure: 'int' }), { answer: undefined, route: { key: 'int/back.internal' } })
  t.end()
})
