import { setImmediate } from 'node:timers/promises'
import { test, type Test } from 'tap'
import { ResourceCache } from '../../src/common/xds/cache.ts'
import { typeUrls, type Resource, type ResourceUpdate } from '../../src/common/xds/resources.ts'
import { Loading, unmarked } from '../../src/istio-router/envoy/loading.ts'
import { listenersFor } from '../../src/pilot/translate/listener.ts'
import { readNode } from '../../src/pilot/translate/router-node.ts'
import { settingsOf } from '../pilot/rig.ts'
import { clusterNamed, endpointsOf, listenerOn, removal, routesTo } from './resources.ts'

const [listener] = listenersFor(readNode('router', { listeners: [{ name: 'http', address: '127.0.0.1', port: 80 }] }), settingsOf()) as [
  Resource,
]
const route = (name: string, port = 80): Resource[] => [clusterNamed(name), endpointsOf(name, [port])]
const host = (n: number): string => `app-${n}.mesh.test`
const routes = (from: number, to: number): Resource[] => [...Array(to - from).keys()].flatMap((index) => route(`pub/${host(from + index)}`))

/** A Loading whose Envoy takes what it is given when `take` says so. */
function rig(atOnce = 10) {
  const cache = new ResourceCache()
  const given: string[][] = []
  const apply = ({ changed, removed }: ResourceUpdate): void => cache.apply({ changed, removed })
  const loading = new Loading({
    cache,
    atOnce,
    give: async (update) => {
      apply(update)
      given.push(update.changed.filter(({ typeUrl }) => typeUrl === typeUrls.cluster).map(({ name }) => name))
    },
  })
  return {
    cache,
    loading,
    given,
    apply: (changed: Resource[], removed: Resource[] = []) =>
      apply(loading.divide({ changed, removed: removed.map((resource) => removal(resource)) })),
    clusters: () => [...cache.all(typeUrls.cluster).keys()],
    version: () => cache.get(typeUrls.route, 'routes')?.version ?? '',
    /** Envoy takes what it was given last. */
    take: async (): Promise<void> => {
      await setImmediate()
      loading.answered(given.at(-1) ?? [])
      await setImmediate()
    },
  }
}

async function loadAll(t: Test, { loading, take }: ReturnType<typeof rig>): Promise<void> {
  for (let round = 0; loading.left && round < 100; round++) await take()
  t.equal(loading.left, 0)
}

test('few hosts are given before the listeners, together', async (t) => {
  const { apply, clusters, loading, version } = rig(3)
  apply([...routes(0, 3), routesTo(['rule/a'])])
  t.strictSame(clusters(), [], 'nothing serves yet')
  apply([listener])
  t.strictSame(
    clusters(),
    [0, 1, 2].map((n) => `pub/${host(n)}`),
  )
  t.equal(loading.left, 0)
  t.notMatch(version(), /asking/)
})

test('of many hosts none is given before the listeners; what rules name is', async (t) => {
  const { apply, cache, clusters, loading, version } = rig()
  apply([...routes(0, 500), ...route('rule/a'), routesTo(['rule/a'])])
  apply([listener])
  t.strictSame(clusters(), ['rule/a'])
  t.ok(cache.get(typeUrls.listener, 'http'))
  t.equal(loading.left, 500)
  t.match(version(), /asking/, 'requests ask for their hosts')
  loading.stop()
})

test('the rest follows step by step, and then requests ask no more', async (t) => {
  const all = rig()
  const { apply, clusters, given, loading, version, take } = all
  const plain = routesTo(['rule/a'])
  apply([...routes(0, 250), plain])
  apply([listener])
  await take()
  t.equal(given[0]?.length, 100)
  t.equal(loading.left, 150, 'the next are given when Envoy has these')
  await loadAll(t, all)
  t.strictSame(
    clusters(),
    [...Array(250).keys()].map((n) => `pub/${host(n)}`),
  )
  t.equal(version(), plain.version)
  t.same(Buffer.from(all.cache.get(typeUrls.route, 'routes')!.any.value), Buffer.from(plain.any.value))
})

test('a host that is asked for is next, with its paths and the wildcards above it', async (t) => {
  const { apply, given, loading, take } = rig()
  apply([...routes(0, 500), ...route(`pub/${host(400)}/a`), ...route('pub/*.mesh.test'), ...route(`int/${host(400)}`), listener])
  await setImmediate()
  t.equal(given[0]?.includes(`pub/${host(400)}`), false)
  let brought = false
  const bringing = loading.bring(host(400)).then(() => (brought = true))
  await take()
  t.strictSame(new Set(given[1]), new Set([`pub/${host(400)}`, `pub/${host(400)}/a`, `int/${host(400)}`, 'pub/*.mesh.test']))
  t.equal(brought, false, 'Envoy does not have it yet')
  await take()
  await bringing
  await loading.bring(host(400))
  await loading.bring('unknown.other.test')
  loading.stop()
})

test('what changes while it waits is given as it is then, and what goes is not given', async (t) => {
  const all = rig()
  const { apply, cache, clusters, take } = all
  apply([...routes(0, 300), listener])
  await take()
  apply([endpointsOf(`pub/${host(250)}`, [81]), clusterNamed(`pub/${host(251)}`, { altStatName: 'new' })], route(`pub/${host(252)}`))
  t.notOk(clusters().includes(`pub/${host(250)}`))
  apply(route(`pub/${host(900)}`))
  t.ok(clusters().includes(`pub/${host(900)}`), 'a host that comes to be is given at once')
  apply([endpointsOf(`pub/${host(0)}`, [81])])
  t.same(cache.get(typeUrls.endpoint, `pub/${host(0)}`)?.version, endpointsOf(`pub/${host(0)}`, [81]).version)
  await loadAll(t, all)
  t.same(cache.get(typeUrls.endpoint, `pub/${host(250)}`)?.version, endpointsOf(`pub/${host(250)}`, [81]).version)
  t.same(cache.get(typeUrls.cluster, `pub/${host(251)}`)?.version, clusterNamed(`pub/${host(251)}`, { altStatName: 'new' }).version)
  t.notOk(cache.get(typeUrls.cluster, `pub/${host(252)}`))
  t.equal(clusters().length, 300)
})

test('Envoy is not waited for where what it was given is gone, or refused', async (t) => {
  const all = rig()
  const { apply, loading, given } = all
  apply([...routes(0, 300), listener])
  await setImmediate()
  loading.answered(given[0]!.slice(2))
  apply([], route(given[0]![0]!))
  await setImmediate()
  t.equal(given.length, 1, 'one is left')
  loading.answered([given[0]![1]!])
  await setImmediate()
  await setImmediate()
  t.equal(given.length, 2)
  await loadAll(t, all)
})

test('a new Envoy is given all of it anew, in the same way', async (t) => {
  const all = rig()
  const { apply, clusters, loading, given, version } = all
  apply([...routes(0, 150), ...route('rule/a'), routesTo(['rule/a']), listener])
  await loadAll(t, all)
  loading.restart(({ name }) => name === `pub/${host(3)}`)
  t.strictSame(clusters(), ['rule/a', `pub/${host(3)}`], 'what is on trial stays')
  t.match(version(), /asking/)
  await setImmediate()
  given.length = 0
  loading.restart(() => false)
  t.strictSame(clusters(), ['rule/a'], 'and where one ends while it loads')
  await loadAll(t, all)
  t.equal(clusters().length, 151)
  t.notMatch(version(), /asking/)
})

test('listeners that cannot ask wait until Envoy has all', async (t) => {
  const { apply, clusters, loading } = rig()
  apply([...routes(0, 50), listenerOn('http', 80)])
  t.equal(clusters().length, 50)
  t.equal(loading.left, 0)
})

test('a refusal is told with the version that was sent to us', (t) => {
  const refusal = { typeUrl: typeUrls.route, name: 'routes', version: 'abc+asking', reason: 'bad' }
  t.strictSame(unmarked([refusal]), [{ ...refusal, version: 'abc' }])
  t.end()
})
