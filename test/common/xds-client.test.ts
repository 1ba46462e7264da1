import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { setImmediate as breathe } from 'node:timers/promises'
import { test, type Test } from 'tap'
import { credentials, status } from '@grpc/grpc-js'
import { create } from '@bufbuild/protobuf'
import { Registry } from 'prom-client'
import { createLogger } from '../../src/common/log.ts'
import { NodeSchema } from '../../src/common/proto/gen/envoy/config/core/v3/base_pb.js'
import { DeltaClient, type DeltaClientOptions } from '../../src/common/xds/client.ts'
import { compressedFeature } from '../../src/common/xds/compressed.ts'
import { decodeRequest, encodeSubscription } from '../../src/common/xds/protocol.ts'
import type { Refusal, Resource } from '../../src/common/xds/resources.ts'
import { freePort } from '../support/program.ts'
import { eventually } from '../support/wait.ts'
import { RawClient, resource, startServer, typeUrls, type TestServer } from './xds-raw-client.ts'

/** A client that accepts all, except the names in `bad`, and remembers what it accepted. */
async function connect(t: Test, addresses: string[], options: Partial<DeltaClientOptions> = {}) {
  const versions = new Map<string, string>()
  const updates: string[] = []
  const bad = new Set<string>()
  const client = new DeltaClient({
    addresses,
    log: createLogger('test', 'silent'),
    metrics: new Registry(),
    connect: () => ({
      credentials: credentials.createInsecure(),
      serverName: 'localhost',
      node: create(NodeSchema, { id: 'router' }),
      subscriptions: [{ typeUrl: typeUrls.cluster, versions }],
    }),
    apply: async ({ changed, removed }): Promise<Refusal[]> => {
      updates.push(...changed.map(({ name }) => name), ...removed.map(({ name }) => `-${name}`))
      const good = changed.filter(({ name }) => !bad.has(name))
      for (const { name, version } of good) versions.set(name, version)
      for (const { name } of removed) versions.delete(name)
      return changed.filter(({ name }) => bad.has(name)).map(({ typeUrl, name, version }) => ({ typeUrl, name, version, reason: 'bad' }))
    },
    ...options,
  })
  t.teardown(() => client.stop())
  await client.start()
  return { client, updates, bad }
}

async function serve(t: Test): Promise<TestServer> {
  const started = await startServer()
  t.teardown(() => started.server.close())
  return started
}

test('updates reach the client, and its refusals the server', async (t) => {
  const { cache, server, address } = await serve(t)
  const { updates, bad, client } = await connect(t, [address])
  await eventually(() => client.status().connected)
  bad.add('b')
  cache.apply({ changed: [resource('cluster', 'a'), resource('cluster', 'b')], removed: [] })
  await eventually(() => server.clients()[0]?.refused.length === 1)
  t.match(server.clients()[0], { name: 'router', refused: [{ name: 'b', reason: 'bad', version: resource('cluster', 'b').version }] })
  t.strictSame(updates, ['a', 'b'])

  cache.apply({ changed: [], removed: [{ typeUrl: typeUrls.cluster, name: 'a' }] })
  await eventually(() => updates.includes('-a'))
})

test('route configurations come compressed to a client that takes them, and mean the same', async (t) => {
  const { cache, server, address } = await serve(t)
  const content = 'host.mesh.test '.repeat(1000)
  const configuration = resource('route', 'pub', content)
  cache.apply({ changed: [configuration], removed: [] })
  const received: Resource[] = []
  await connect(t, [address], {
    connect: () => ({
      credentials: credentials.createInsecure(),
      serverName: 'localhost',
      node: create(NodeSchema, { id: 'short', clientFeatures: [compressedFeature] }),
      subscriptions: [{ typeUrl: typeUrls.route, versions: new Map<string, string>() }],
    }),
    apply: async ({ changed }) => {
      received.push(...changed)
      return []
    },
  })
  const raw = new RawClient(address)
  t.teardown(() => raw.close())
  raw.send({ node: { id: 'raw', clientFeatures: [compressedFeature] }, typeUrl: typeUrls.route, resourceNamesSubscribe: ['*'] })
  await eventually(() => received.length && raw.messages.length)
  t.equal(received[0]!.version, configuration.version)
  t.ok(Buffer.from(received[0]!.any.value).equals(configuration.any.value))
  t.ok(raw.messages[0]!.resources[0]!.resource!.value.length < content.length / 20)

  // The next version is what is other in it, of a client that has answered; of one that has not, it is whole.
  const text = randomBytes(2000).toString('hex')
  const next = resource('route', 'pub', text)
  const last = resource('route', 'pub', `${text} changed`)
  const sizes = (): number[] => raw.messages.map(({ resources }) => resources[0]!.resource!.value.length)
  raw.acknowledge(raw.messages[0]!)
  await eventually(() => server.clients().every(({ types }) => types['route']?.unanswered === 0))
  cache.apply({ changed: [next], removed: [] })
  await eventually(() => raw.messages.length === 2)
  cache.apply({ changed: [last], removed: [] })
  await eventually(() => raw.messages.length === 3)
  t.ok(sizes()[2]! > 2000, 'not answered yet')
  raw.acknowledge(raw.messages[1]!)
  raw.acknowledge(raw.messages[2]!)
  await eventually(() => server.clients().every(({ types }) => types['route']?.unanswered === 0))
  cache.apply({ changed: [next], removed: [] })
  await eventually(() => raw.messages.length === 4 && received.at(-1)?.version === next.version)
  t.ok(sizes()[3]! < 200, 'answered')
  t.ok(Buffer.from(received.at(-1)!.any.value).equals(next.any.value))

  // What a broken server could send is refused, and nothing else of the message.
  const broken = {
    ...configuration,
    name: 'broken',
    version: '1',
    any: { ...configuration.any, typeUrl: raw.messages[0]!.resources[0]!.resource!.typeUrl, value: Buffer.from([1]) },
  }
  cache.apply({ changed: [broken, resource('route', 'int', 'x')], removed: [] })
  await eventually(() => received.at(-1)?.name === 'int' && server.clients().some(({ refused }) => refused.length))
  t.match(server.clients().find(({ name }) => name === 'short')?.refused, [{ name: 'broken' }])
})

test('a refusal that comes late reaches the server, and ends with a version that is accepted', async (t) => {
  const { cache, server, address } = await serve(t)
  const { client } = await connect(t, [address])
  cache.apply({ changed: [resource('cluster', 'a')], removed: [] })
  await eventually(() => server.clients()[0]?.types['cluster']?.acknowledgedAt)
  client.refuse([{ typeUrl: typeUrls.cluster, name: 'a', version: '1', reason: 'late' }])
  await eventually(() => server.clients()[0]?.refused[0]?.reason === 'late')
  cache.apply({ changed: [resource('cluster', 'a', '2')], removed: [] })
  await eventually(() => server.clients()[0]?.refused.length === 0)
  t.pass()
})

test('what is told while a subscription is being written comes after it', async (t) => {
  const { cache, server, address } = await serve(t)
  const versions = new Map(Array.from({ length: 50_000 }, (_, i) => [`c-${i}`, 'old']))
  const refused: string[] = []
  const { client } = await connect(t, [address], {
    connect: () => ({
      credentials: credentials.createInsecure(),
      serverName: 'localhost',
      node: create(NodeSchema, { id: 'router' }),
      subscriptions: [
        { typeUrl: typeUrls.cluster, versions },
        { typeUrl: typeUrls.listener, versions: new Map([['gone', 'old']]) },
      ],
    }),
    apply: async ({ removed }) => {
      for (const { name } of removed) versions.delete(name)
      if (removed.some(({ name }) => name === 'gone')) refused.push('gone')
      return []
    },
  })
  while (!client.status().connected) await breathe()
  client.refuse([{ typeUrl: typeUrls.listener, name: 'bad', version: 'old', reason: 'late' }])
  client.report({ ejected: 0 })
  cache.apply({ changed: [resource('listener', 'other')], removed: [] })
  await eventually(() => server.clients()[0]?.refused[0]?.reason === 'late' && refused.length)
  t.match(server.clients(), [{ name: 'router', report: { ejected: 0 } }])
})

test('a client that reconnects is sent only what changed while it was away', async (t) => {
  const first = await serve(t)
  first.cache.apply({ changed: [resource('cluster', 'a'), resource('cluster', 'b')], removed: [] })
  const second = await startServer({ cache: first.cache })
  t.teardown(() => second.server.close())
  const { client, updates } = await connect(t, [first.address, second.address])
  await eventually(() => updates.length === 2)
  await eventually(() => client.status().address === first.address)
  first.server.close()
  first.cache.apply({ changed: [resource('cluster', 'c')], removed: [{ typeUrl: typeUrls.cluster, name: 'a' }] })
  await eventually(() => client.status().address === second.address)
  await eventually(() => updates.length === 4)
  t.strictSame(updates.toSorted(), ['-a', 'a', 'b', 'c'])
})

test('the client goes to the next server, and back to the preferred one once that serves', async (t) => {
  let admitted = false
  const preferred = await startServer({ admit: () => (admitted ? undefined : { code: status.UNAVAILABLE, details: 'not ready' }) })
  t.teardown(() => preferred.server.close())
  const spare = await serve(t)
  const { client } = await connect(t, [`127.0.0.1:${await freePort()}`, preferred.address, spare.address], { preferEvery: 20 })
  await eventually(() => client.status().address === spare.address)
  t.equal(client.status().connected, true)
  admitted = true
  await eventually(() => client.status().address === preferred.address)
  await eventually(() => spare.server.clients().length === 0)
  t.equal(preferred.server.clients().length, 1)
})

test('without any server the client says why, and goes on trying', async (t) => {
  const port = await freePort()
  const { client } = await connect(t, [`127.0.0.1:${port}`])
  await eventually(() => client.status().reason?.includes('UNAVAILABLE'))
  t.equal(client.status().connected, false)
})

test('renewing opens the new stream before the old one is left', async (t) => {
  const { server, address } = await serve(t)
  const { client } = await connect(t, [address])
  await eventually(() => server.clients().length === 1)
  let least = Infinity
  const watch = setInterval(() => (least = Math.min(least, server.clients().length)), 1)
  t.teardown(() => clearInterval(watch))
  const { since } = await eventually(() => client.status())
  client.renew()
  await eventually(() => client.status().since !== since && server.clients().length === 1)
  t.equal(least, 1)
})

test('a server that never answers is given up', async (t) => {
  const silent = createServer((socket) => t.teardown(() => socket.destroy())).listen(0, '127.0.0.1')
  t.teardown(() => silent.close())
  const spare = await serve(t)
  const { client } = await connect(t, [`127.0.0.1:${(silent.address() as { port: number }).port}`, spare.address], { timeout: 100 })
  await eventually(() => client.status().address === spare.address)
  t.pass()
})

test('a client that is stopped as it begins to connect waits for no server', async (t) => {
  const silent = createServer((socket) => t.teardown(() => socket.destroy())).listen(0, '127.0.0.1')
  t.teardown(() => silent.close())
  await once(silent, 'listening')
  const stopped = Promise.withResolvers<void>()
  let attempts = 0
  const { client } = await connect(t, [`127.0.0.1:${(silent.address() as { port: number }).port}`], {
    connect: () => {
      if (++attempts === 1) throw new Error('not yet')
      void client.stop().then(stopped.resolve)
      return { credentials: credentials.createInsecure(), serverName: 'localhost', node: create(NodeSchema), subscriptions: [] }
    },
  })
  await stopped.promise
  t.notOk(client.status().connected)
})

test('what a client has is told whole, and others have their turn while it is written', async (t) => {
  const versions = new Map(Array.from({ length: 25_000 }, (_, n) => [`pub/app-${n}.mesh.test`, `${n}`]))
  let turns = 0
  let going = true
  const take = (): void => {
    turns++
    if (going) setImmediate(take)
  }
  setImmediate(take)
  const { versions: read, ...request } = decodeRequest(
    await encodeSubscription({ typeUrl: typeUrls.cluster, resourceNamesSubscribe: ['*'] }, versions),
  )
  going = false
  t.ok(turns >= 10, `${turns} turns`)
  t.match(request, { typeUrl: typeUrls.cluster, resourceNamesSubscribe: ['*'] })
  t.same(new Map(read()), versions)
})
