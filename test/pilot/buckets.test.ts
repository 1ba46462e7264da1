import * as fc from 'fast-check'
import { test } from 'tap'
import type { Change } from '../../src/mesh/records.ts'
import { bucketOf } from '../../src/mesh/bucket.ts'
import { typeUrls } from '../../src/common/xds/resources.ts'
import { Translator } from '../../src/pilot/translate/translator.ts'
import { ask } from '../support/client.ts'
import { TestInstance } from '../support/instance.ts'
import { destination, process, resource, route } from './records.ts'
import { envoyAbsent, instanceAuthority, Rig, routerAuthority, settingsOf } from './rig.ts'

const settings = settingsOf({ routingShape: 'buckets' })
const answering = (name: string, host: string, status: number): Change =>
  resource('VirtualService', name, { hosts: [host], http: [{ match: [{ uri: { prefix: '/rule' } }], directResponse: { status } }] })

/** A host in normal form, and a way in which a client can write it. */
const spelledHost = fc
  .record({
    labels: fc.array(fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$/), { minLength: 2, maxLength: 5 }),
    upper: fc.boolean(),
    dot: fc.boolean(),
    port: fc.option(fc.integer({ min: 1, max: 65535 })),
  })
  .map(({ labels, upper, dot, port }) => {
    const host = `${labels.join('.')}.random`
    return { host, spelling: `${upper ? host.toUpperCase() : host}${dot ? '.' : ''}${port === null ? '' : `:${port}`}` }
  })

test('a rule changes the buckets that it stands in and no other', (t) => {
  const translator = new Translator(settings)
  t.equal(
    translator.constants.filter(({ typeUrl }) => typeUrl === typeUrls.route).length,
    512,
    'there are all buckets from the beginning, so that no listener waits for one',
  )
  translator.apply([process('p', 0), route('a.test', [destination(['p'])]), route('*.test', [destination(['p'])])])
  const changed = (change: Change): string[] =>
    translator
      .apply([change])
      .changed.filter(({ typeUrl }) => typeUrl === typeUrls.route)
      .map(({ name }) => name)
  t.same(changed(answering('a', 'a.test', 418)), [`pub/${bucketOf('a.test')}`])
  t.same(changed(route('b.test', [])), [])
  t.equal(changed(answering('all', '*.test', 418)).length, 256)
  t.same(changed(route('c.test', [])), [`pub/${bucketOf('c.test')}`], 'a host beneath a wildcard with rules is named')
  t.end()
})

test('a real Envoy finds hosts in their buckets, and all others as ever', { skip: envoyAbsent }, async (t) => {
  const rig = await Rig.start({ settings, listeners: [{ exposure: 'pub' }, { exposure: 'int' }] })
  t.teardown(() => rig.stop())
  const app = await TestInstance.start({
    identities: instanceAuthority,
    routerCa: routerAuthority.certificate,
    handler: (request, response) =>
      response.setHeader('x-traces', [request.headers['b3'], request.headers['traceparent']].join(' ')).end(
        `app ${request.url} ${Object.keys(request.headers)
          .filter((name) => name.startsWith('x-mesh'))
          .join()}`,
      ),
  })
  t.teardown(() => app.stop())
  const translator = new Translator(settings)
  rig.cache.apply({ changed: translator.constants, removed: [] })
  const apply = async (...changes: Change[]): Promise<void> => {
    rig.cache.apply(translator.apply(changes))
    await rig.settled()
    t.same(rig.refused.splice(0), [])
  }
  const faulty = resource('VirtualService', 'a', {
    hosts: ['a.test'],
    http: [
      { match: [{ uri: { prefix: '/rule' } }], directResponse: { status: 418 } },
      {
        match: [{ uri: { prefix: '/abort' } }],
        fault: { abort: { httpStatus: 555, percentage: { value: 100 } } },
        route: [{ destination: { host: 'a.test' } }],
      },
      { route: [{ destination: { host: 'a.test' } }] },
    ],
  })
  await apply(
    process('p', 1),
    { kind: 'instance', key: app.guid, value: app.record('p') },
    ...['a.test', '*.test'].map((host) => route(host, [destination(['p'])])),
    route('plain.test', [destination(['p'])], { space: 'another' }),
    route('back.test', [destination(['p'])], { exposure: 'int', space: 'another' }),
    faulty,
    answering('all', '*.test', 419),
  )
  await rig.listening()
  const [port = 0, internal = 0] = rig.ports
  const status = async (host: string, path = '/', options: object = {}): Promise<number> =>
    (await ask(port, host, { path, ...options })).status

  t.same(await ask(port, 'a.test').then(({ status, body }) => [status, body]), [200, 'app / '], 'and the app does not see the bucket')
  t.same([await status('a.test', '/rule'), await status('A.TEST.', '/rule'), await status('a.test:80', '/rule')], [418, 418, 418])
  t.equal(await status('a.test', '/abort'), 555, 'filters of rules are on')
  t.same([await status('plain.test', '/rule'), await status('other.test', '/rule'), await status('nobody.example')], [200, 419, 404])
  t.equal(
    await status('a.test', '/rule', { headers: { 'x-mesh-bucket': `pub/${bucketOf('plain.test')}` } }),
    418,
    'what a client sends is replaced',
  )
  t.equal((await ask(internal, 'back.test')).status, 200)
  t.match(
    (await ask(port, 'plain.test')).headers,
    { 'x-traces': /^([0-9a-f]{32}-[0-9a-f]{16}) 00-\1-01$/ },
    'a trace is begun, though the route was not known when the filters were chosen',
  )
  t.same(
    [
      (await ask(internal, 'a.test')).status,
      await status('back.test', '/rule'),
      (await ask(port, 'back.test', { headers: { 'x-mesh-bucket': `int/${bucketOf('back.test')}` } })).status,
    ],
    [404, 419, 404],
  )

  const seed = Date.now()
  const hosts = [...new Set(fc.sample(spelledHost, { numRuns: 60, seed }))]
  await apply(...hosts.flatMap(({ host }, position) => [route(host, [destination(['p'])]), answering(`random-${position}`, host, 420)]))
  for (const { host, spelling } of hosts)
    t.equal(await status(spelling, '/rule'), 420, `${spelling} in bucket ${bucketOf(host)}, seed ${seed}`)

  await apply({ kind: 'resource', key: 'virtualservice/space/a', value: null })
  t.equal(await status('a.test', '/rule'), 419, 'the wildcard’s rules are left')
})
