import { test } from 'tap'
import * as fc from 'fast-check'
import { ResourceCache } from '../../src/common/xds/cache.ts'
import { typeUrls, type ResourceUpdate } from '../../src/common/xds/resources.ts'
import type { Change } from '../../src/mesh/records.ts'
import { Model } from '../../src/pilot/model/model.ts'
import { servingOf } from '../../src/pilot/model/serving.ts'
import { Translator } from '../../src/pilot/translate/translator.ts'
import { destination, instance, process, resource, route, someChange } from './records.ts'
import { settingsOf } from './rig.ts'

const names = ({ changed, removed }: ResourceUpdate): string[] =>
  [...changed, ...removed].map(({ typeUrl, name }) => `${typeUrl.split('.').at(-1)} ${name}`).sort()

/** A translator and the cache that it fills. */
function translation(changes: Change[] = []) {
  const translator = new Translator(settingsOf())
  const cache = new ResourceCache()
  cache.apply({ changed: translator.constants, removed: [] })
  cache.apply(translator.apply(changes))
  const versions = (): Record<string, string> =>
    Object.fromEntries(
      [typeUrls.cluster, typeUrls.endpoint, typeUrls.route].flatMap((typeUrl) =>
        [...cache.all(typeUrl).values()].map(({ name, version }) => [`${typeUrl} ${name}`, version]),
      ),
    )
  return { translator, cache, versions }
}

test('any sequence of changes leaves what a fresh translation of the final records gives', (t) => {
  fc.assert(
    fc.property(fc.array(someChange, { maxLength: 40 }), fc.integer({ min: 1, max: 7 }), (changes, batch) => {
      const gradual = translation()
      for (let start = 0; start < changes.length; start += batch)
        gradual.cache.apply(gradual.translator.apply(changes.slice(start, start + batch)))
      const final = new Map(changes.map((change) => [`${change.kind} ${change.key}`, change]))
      const fresh = translation([...final.values()].filter(({ value }) => value !== null))
      t.same(gradual.versions(), fresh.versions())
      t.same(gradual.translator.faults, [])
    }),
    { numRuns: 100 },
  )
  t.end()
})

const app = (name: string): Change => ({ kind: 'app', key: 'a', value: { name, space: 'space', labels: {}, annotations: {} } })
const toApp = destination([], { app: 'a' })

for (const [what, changes] of Object.entries<Change[]>({
  "the operator's rule for an app of any space": [
    app('one'),
    route('h', [toApp]),
    resource('DestinationRule', 'dr', { host: 'one', trafficPolicy: { connectionPool: { tcp: { maxConnections: 3 } } } }, 'mesh-system'),
  ],
  'a rule for an app that is called as a host is': [
    route('h', []),
    app('h'),
    route('g', [toApp]),
    resource('VirtualService', 'vs', { hosts: ['h'], http: [{ route: [{ destination: { host: 'h' } }] }] }),
  ],
})) {
  test(`${what} reaches its routes, whenever it comes`, (t) => {
    const gradual = translation()
    for (const change of changes) gradual.cache.apply(gradual.translator.apply([change]))
    t.same(gradual.versions(), translation(changes).versions())
    t.end()
  })
}

test('the difference to a snapshot leads to it, and to none once there', (t) => {
  fc.assert(
    fc.property(fc.array(someChange, { maxLength: 30 }), fc.array(someChange, { maxLength: 30 }), (before, snapshot) => {
      const { translator, cache, versions } = translation(before)
      cache.apply(translator.apply(translator.model.difference(snapshot)))
      const fresh = translation(new Model().difference(snapshot))
      t.same(versions(), fresh.versions())
      t.same(translator.model.difference(structuredClone(snapshot)), [], 'a snapshot that changes nothing')
    }),
    { numRuns: 100 },
  )
  t.end()
})

test('records that share what they have in common are what they were', (t) => {
  fc.assert(
    fc.property(fc.array(someChange, { maxLength: 40 }), (changes) => {
      const [apart, together] = [new Model(), new Model()]
      together.share(true)
      apart.apply(structuredClone(changes))
      together.apply(structuredClone(changes))
      for (const kind of ['app', 'process', 'instance', 'route'] as const) t.same(together.all(kind), apart.all(kind))
    }),
    { numRuns: 50 },
  )
  const model = new Model()
  model.share(true)
  const broken = [
    { kind: 'route', key: 'pub/x', value: { host: 'x' } },
    { kind: 'app', key: 'a', value: {} },
    { kind: 'instance', key: 'i', value: { ports: [] } },
  ] as unknown as Change[]
  t.doesNotThrow(() => model.apply(broken), 'nor does it matter what they lack')
  t.end()
})

const world: Change[] = [
  process('p', 2),
  process('q', 1),
  instance('i'),
  instance('j', { index: 1, address: '10.0.0.2' }),
  instance('k', { process: 'q', address: '10.0.0.3' }),
  route('one.test', [destination(['p'])]),
  route('both.test', [destination(['p', 'q'])]),
  route('other.test', [destination(['q'])]),
]

test('a change touches the resources that depend on it and no other', (t) => {
  const touched = (change: Change): string[] => names(translation(world).translator.apply([change]))
  t.same(touched(instance('i', { address: '10.0.0.9' })), ['ClusterLoadAssignment pub/both.test', 'ClusterLoadAssignment pub/one.test'])
  t.same(touched({ kind: 'instance', key: 'k', value: null }), [
    'ClusterLoadAssignment pub/both.test',
    'ClusterLoadAssignment pub/other.test',
  ])
  t.same(touched(process('q', 3)), ['ClusterLoadAssignment pub/both.test', 'ClusterLoadAssignment pub/other.test'])
  t.same(touched(process('q', 1, 'app-renamed')), [], 'what a route does not ask a process for')
  t.same(touched(instance('i', { process: 'q' })), [
    'ClusterLoadAssignment pub/both.test',
    'ClusterLoadAssignment pub/one.test',
    'ClusterLoadAssignment pub/other.test',
  ])
  t.same(touched(instance('new', { process: 'nobody-names-it' })), [])
  t.same(touched(route('one.test', [destination(['q'])])), ['Cluster pub/one.test', 'ClusterLoadAssignment pub/one.test'])
  t.same(touched({ kind: 'route', key: 'pub/one.test', value: null }), ['Cluster pub/one.test', 'ClusterLoadAssignment pub/one.test'])
  t.end()
})

test('of what a route change touches, only what is different goes on', (t) => {
  const { translator, cache } = translation(world)
  const updates: string[][] = []
  cache.watch((update) => updates.push(names(update)))
  cache.apply(translator.apply([route('one.test', [destination(['q'])])]))
  cache.apply(translator.apply([route('one.test', [destination(['q'])], { labels: { a: 'b' } })]))
  cache.apply(translator.apply([{ kind: 'app', key: 'app', value: { name: 'x', space: 's', labels: {}, annotations: {} } }]))
  t.same(updates, [['ClusterLoadAssignment pub/one.test']], 'its cluster is as it was')
  t.end()
})

test('a kind that this version does not know is ignored', (t) => {
  const { translator, versions } = translation(world)
  const before = versions()
  translator.apply([{ kind: 'virtualService', key: 'x', value: {} } as unknown as Change])
  t.same(versions(), before)
  t.end()
})

test('a record that goes bad keeps its last good version, follows its instances, and recovers', (t) => {
  const { translator, cache, versions } = translation(world)
  const good = versions()
  const bad = { kind: 'route', key: 'pub/one.test', value: { ...route('ONE.test', [destination(['q'])]).value } } as Change
  cache.apply(translator.apply([bad]))
  t.same(versions(), good)
  t.match(translator.faults, [{ kind: 'route', key: 'pub/one.test', reason: /key: must be pub\/ONE.test/ }])

  cache.apply(translator.apply([{ kind: 'instance', key: 'j', value: null }]))
  t.not(versions()[`${typeUrls.endpoint} pub/one.test`], good[`${typeUrls.endpoint} pub/one.test`])

  cache.apply(translator.apply([route('one.test', [destination(['q'])])]))
  t.same(translator.faults, [])
  t.end()
})

test('records that nobody should have let in harm no other', (t) => {
  const { translator, cache, versions } = translation(world)
  const broken = [
    { kind: 'route', key: 'pub/one.test', value: { ...route('one.test', []).value, destinations: null } },
    { kind: 'route', key: 'pub/new.test', value: {} },
    { kind: 'route', key: 'pub/more.test', value: { ...route('more.test', []).value, destinations: [{}] } },
    { kind: 'instance', key: 'i', value: { process: 'p' } },
  ] as unknown as Change[]
  const before = versions()
  cache.apply(translator.apply([...broken, instance('k', { process: 'q', address: '10.0.0.4' })]))
  t.same(translator.faults.map(({ key }) => key).sort(), ['i', 'pub/more.test', 'pub/new.test', 'pub/one.test'])
  t.same(
    Object.keys(before).filter((name) => before[name] !== versions()[name]),
    [`${typeUrls.endpoint} pub/both.test`, `${typeUrls.endpoint} pub/other.test`],
  )
  cache.apply(translator.apply(translator.model.difference(world)))
  t.same(translator.faults, [], 'a snapshot without them takes their faults away')
  t.same(versions(), before)
  t.end()
})

test('why an instance is not asked is said', (t) => {
  const { translator } = translation([
    process('p', 1),
    instance('good'),
    instance('beyond', { index: 1, address: '10.0.0.2' }),
    instance('portless', { ports: [], address: '10.0.0.3' }),
    instance('plain', { ports: [{ app: 8080, plain: 61000, tls: 0 }], address: '10.0.0.4' }),
    instance('nowhere', { address: 'cell-1' }),
    instance('usurper', { since: '2' }),
    route('one.test', [destination(['p', 'gone'])]),
  ])
  const { servers, leftOut } = servingOf(translator.model.get('route', 'pub/one.test')!, translator.model)
  t.same(
    servers.map(({ guid }) => guid),
    ['usurper'],
  )
  const reasons = Object.fromEntries(leftOut.map(({ guid, process, reason }) => [guid ?? process, reason]))
  t.match(reasons, {
    good: /usurper has its address since later/,
    beyond: /index 1 is not below the 1/,
    portless: /no port 8080; it has none/,
    plain: /no TLS proxy/,
    nowhere: /no IP address/,
    gone: /not to run/,
  })
  t.end()
})
