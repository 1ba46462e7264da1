import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { PassThrough } from 'node:stream'
import { create } from '@bufbuild/protobuf'
import { Registry } from 'prom-client'
import { test } from 'tap'
import { Value } from 'typebox/value'
import { createLogger } from '../../../src/common/log.ts'
import { ClusterSchema, Cluster_DiscoveryType, Cluster_LbPolicy } from '../../../src/common/proto/gen/envoy/config/cluster/v3/cluster_pb.js'
import { encodeResource, typeUrls, type Resource } from '../../../src/common/xds/resources.ts'
import { EmbeddedEngine } from '../../../src/istio-router/embedded/engine.ts'
import type { Change } from '../../../src/mesh/records.ts'
import { listenersFor } from '../../../src/pilot/translate/listener.ts'
import { readNode } from '../../../src/pilot/translate/router-node.ts'
import { TranslationSettings } from '../../../src/pilot/translate/settings.ts'
import { Translator } from '../../../src/pilot/translate/translator.ts'
import { ask } from '../../support/client.ts'
import { freePort } from '../../support/program.ts'
import { TestRouter } from './support.ts'

const settings = Value.Default(TranslationSettings, {}) as TranslationSettings
const engineOf = () =>
  new EmbeddedEngine({ log: createLogger('test', 'silent'), metrics: new Registry(), accessLog: new PassThrough().resume() })

test('what this engine does not do is refused with the name of the field, and the last good version holds', async (t) => {
  const router = await TestRouter.start(t)
  const { host, key } = await router.serve()
  const cluster = (fields: object) =>
    encodeResource(
      ClusterSchema,
      key,
      create(ClusterSchema, { name: key, clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.EDS }, ...fields }),
    )
  const garbage: Resource = {
    typeUrl: typeUrls.listener,
    name: 'http',
    version: '1',
    any: { ...cluster({}).any, value: Uint8Array.of(255, 255) },
  }
  const refused = async (resource: Resource) => (await router.apply([resource])).map(({ name, reason }) => `${name}: ${reason}`).join()
  t.match(
    await refused(cluster({ lbPolicy: Cluster_LbPolicy.MAGLEV })),
    `${key}: lb_policy: MAGLEV is not supported by the embedded engine`,
  )
  t.match(await refused(cluster({ healthChecks: [{ altPort: 8081 }] })), `${key}: health_checks[0].alt_port: is not supported`)
  t.match(
    await refused(cluster({ commonLbConfig: { ignoreNewHostsUntilFirstHc: true } })),
    `${key}: common_lb_config.ignore_new_hosts_until_first_hc: is not supported`,
  )
  t.match(
    await refused(cluster({ clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.ORIGINAL_DST } })),
    /type: only EDS, STATIC, STRICT_DNS/,
  )
  t.match(
    await refused(
      cluster({
        transportSocket: { configType: { case: 'typedConfig', value: { typeUrl: 'type.googleapis.com/other', value: new Uint8Array() } } },
      }),
    ),
    /transport_socket: type.googleapis.com\/other/,
  )
  t.match(await refused(garbage), /^http: ./)
  t.equal((await ask(router.http, host)).status, 200)
  t.match(await router.metrics.getSingleMetricAsString('mesh_router_refused_resources_total'), / 6$/m)
})

test('it listens once all it needs is there, in whatever order it comes, and says what it waits for', async (t) => {
  const engine = engineOf()
  t.teardown(() => engine.stop())
  const translator = new Translator(settings)
  const node = readNode('a', { listeners: [{ name: 'http', address: '127.0.0.1', port: await freePort() }] })
  t.match(engine.condition(), { ready: false, reason: 'no configuration yet' })
  await engine.apply({ changed: listenersFor(node, settings), removed: [] })
  t.match(engine.condition(), { ready: false, reason: /http/ })
  await engine.apply({ changed: translator.constants, removed: [] })
  t.match(engine.condition(), { ready: true })
})

test('a listener whose port is taken is refused, and the one it was to replace goes on', async (t) => {
  const router = await TestRouter.start(t)
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const node = readNode('a', { listeners: [{ name: 'http', address: '127.0.0.1', port: (taken.address() as AddressInfo).port }] })
  t.match(await router.apply(listenersFor(node, settings)), [{ name: 'http', reason: /EADDRINUSE/ }])
  t.equal((await ask(router.http, 'a.test')).status, 404)
  t.match(router.engine.condition(), { ready: true })
})

test('a listener can move to another port, and change while requests come', async (t) => {
  const router = await TestRouter.start(t)
  const { host } = await router.serve()
  const port = await freePort()
  const node = (listen: number) => readNode('a', { listeners: [{ name: 'http', address: '127.0.0.1', port: listen }] })
  await router.apply(listenersFor(node(port), settings))
  t.equal((await ask(port, host)).status, 200)
  await t.rejects(ask(router.http, host), { code: 'ECONNREFUSED' })
  const statuses = new Set<number>()
  for (let i = 0; i < 20; i++) {
    const [answer] = await Promise.all([ask(port, host), router.apply(listenersFor(node(port), { ...settings, maxHeaders: 100 + i }))])
    statuses.add(answer.status)
  }
  t.strictSame([...statuses], [200])
})

test('endpoints find their cluster in whatever order both come', async (t) => {
  const router = await TestRouter.start(t)
  const { key, host } = await router.serve()
  const removedAndBack = new Translator(settings)
  removedAndBack.apply([])
  await router.apply([], [{ typeUrl: typeUrls.cluster, name: key }])
  t.equal((await ask(router.http, host)).status, 404)
  const { changed } = removedAndBack.apply([
    { kind: 'route', key, value: { host, path: '', exposure: 'pub', space: 's', labels: {}, options: {}, destinations: [] } },
  ])
  await router.apply(changed.filter(({ typeUrl }) => typeUrl === typeUrls.cluster))
  t.equal((await ask(router.http, host)).status, 200)
})

test('a new route answers 404 until its endpoints have come, never 503', async (t) => {
  const router = await TestRouter.start(t)
  const translator = new Translator(settings)
  translator.apply([])
  const host = 'new.test'
  const { changed } = translator.apply([
    {
      kind: 'route',
      key: `pub/${host}`,
      value: { host, path: '', exposure: 'pub', space: 's', labels: {}, options: {}, destinations: [] },
    },
  ])
  const [clusters, endpoints] = [typeUrls.cluster, typeUrls.endpoint].map((wanted) => changed.filter(({ typeUrl }) => typeUrl === wanted))
  await router.apply(clusters!)
  t.equal((await ask(router.http, host)).status, 404)
  await router.apply(endpoints!)
  t.equal((await ask(router.http, host)).status, 503)
})

test('many routes are taken in small turns of the event loop', async (t) => {
  const engine = engineOf()
  t.teardown(() => engine.stop())
  const count = 5000
  const translator = new Translator(settings)
  const changes = Array.from({ length: count }, (_, i): Change[] => [
    { kind: 'process', key: `p${i}`, value: { app: `a${i}`, type: 'web', instances: 2 } },
    ...[0, 1].map((index): Change => ({
      kind: 'instance',
      key: `i${i}-${index}`,
      value: { process: `p${i}`, index, address: '10.0.0.1', ports: [{ app: 8080, plain: 0, tls: 10_000 + index }], zone: 'z', since: '1' },
    })),
    {
      kind: 'route',
      key: `pub/h${i}.test`,
      value: {
        host: `h${i}.test`,
        path: '',
        exposure: 'pub',
        space: 's',
        labels: {},
        options: {},
        destinations: [{ app: `a${i}`, type: 'web', port: 8080, protocol: 'http1', processes: [`p${i}`] }],
      },
    },
  ]).flat()
  const update = translator.apply(changes)
  let turns = 0
  const counting = setInterval(() => turns++, 1)
  t.strictSame(await engine.apply(update), [])
  clearInterval(counting)
  t.ok(turns >= 20, `${turns} turns`)
})
