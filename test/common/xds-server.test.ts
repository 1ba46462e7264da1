import { test, type Test } from 'tap'
import { create, toBinary } from '@bufbuild/protobuf'
import { status } from '@grpc/grpc-js'
import { DeltaDiscoveryRequestSchema } from '../../src/common/proto/gen/envoy/service/discovery/v3/discovery_pb.js'
import { ResourceCache } from '../../src/common/xds/cache.ts'
import { Delivery } from '../../src/common/xds/delivery.ts'
import { decodeRequest, refusalStatus } from '../../src/common/xds/protocol.ts'
import type { Resource } from '../../src/common/xds/resources.ts'
import type { DeltaServerOptions } from '../../src/common/xds/server.ts'
import { eventually } from '../support/wait.ts'
import { RawBytes, RawClient, resource, startServer, typeUrls, type TestServer } from './xds-raw-client.ts'

async function serve(
  t: Test,
  resources: Resource[],
  options: Partial<DeltaServerOptions> = {},
): Promise<TestServer & { client: () => RawClient }> {
  const started = await startServer(options)
  started.cache.apply({ changed: resources, removed: [] })
  const clients: RawClient[] = []
  t.teardown(() => {
    for (const client of clients) client.close()
    started.server.close()
  })
  return {
    ...started,
    client: () => {
      const client = new RawClient(started.address)
      clients.push(client)
      return client
    },
  }
}

/** Resolves once the server has nothing left for its clients. */
const settled = ({ server }: TestServer): Promise<void> => server.settled(AbortSignal.timeout(5000))

test('everything of a type is sent, at most 2,000 resources a message', async (t) => {
  const all = Array.from({ length: 4500 }, (_, i) => resource('cluster', `c${i}`))
  const mesh = await serve(t, all)
  const client = mesh.client().subscribe(['cluster']).acknowledgeAll()
  await eventually(() => client.received().length === 4500)
  t.ok(client.messages.every(({ resources }) => resources.length <= 2000))
  t.strictSame(client.received().toSorted(), all.map(({ name }) => `cluster ${name}`).toSorted())
  t.strictSame(
    Buffer.from(client.messages[0]?.resources[0]?.resource?.value ?? []),
    Buffer.from(all[0]?.any.value ?? []),
    'the bytes are those of the cache',
  )
})

test('a client is sent what a resource is for it, and that alone when it comes back', async (t) => {
  const special = (content: string): Resource => ({
    ...resource('endpoint', 'a', `shared ${content}`),
    forNode: ({ id }) => resource('endpoint', 'a', `${content} for ${id}`),
  })
  const mesh = await serve(t, [special('old')])
  const client = mesh.client().subscribe(['endpoint']).acknowledgeAll()
  await eventually(() => client.messages.length === 1)
  mesh.cache.apply({ changed: [special('new')], removed: [] })
  await eventually(() => client.messages.length === 2)
  const versions = client.messages.map(({ resources }) => resources[0]?.version)
  t.strictSame(
    versions,
    ['old', 'new'].map((content) => resource('endpoint', 'a', `${content} for raw`).version),
  )
  const again = mesh
    .client()
    .subscribe(['endpoint'], [resource('endpoint', 'a', 'new for raw')])
    .acknowledgeAll()
  await settled(mesh)
  t.strictSame(again.received(), [])
})

test('a client that has everything already is sent nothing', async (t) => {
  const all = [resource('cluster', 'a'), resource('cluster', 'b'), resource('endpoint', 'a')]
  const mesh = await serve(t, all)
  const client = mesh.client().subscribe(['cluster', 'endpoint'], all).acknowledgeAll()
  await settled(mesh)
  mesh.cache.apply({ changed: [resource('cluster', 'c')], removed: [] })
  await eventually(() => client.messages.length > 0)
  t.strictSame(client.received(), ['cluster c'], 'the first thing it hears is what changes next')
})

test('a client that was away is sent what changed, and told what is gone', async (t) => {
  const before = [resource('cluster', 'a'), resource('cluster', 'b', 'old'), resource('cluster', 'gone')]
  const mesh = await serve(t, [resource('cluster', 'a'), resource('cluster', 'b', 'new'), resource('cluster', 'added')])
  const client = mesh.client().subscribe(['cluster'], before).acknowledgeAll()
  await settled(mesh)
  t.strictSame(client.received().toSorted(), ['-cluster gone', 'cluster added', 'cluster b'])
})

test('a client that has nothing and gets nothing is told so', async (t) => {
  const mesh = await serve(t, [])
  const client = mesh.client().subscribe(['cluster'])
  const message = await client.message(0)
  t.strictSame([message.typeUrl, message.resources, message.removedResources], [typeUrls.cluster, [], []])
})

test('a subscription by name brings those names only, says which are missing, and ends', async (t) => {
  const mesh = await serve(t, [resource('endpoint', 'a'), resource('endpoint', 'b'), resource('endpoint', 'c')])
  const client = mesh.client().acknowledgeAll()
  client.send({ node: { id: 'raw' }, typeUrl: typeUrls.endpoint, resourceNamesSubscribe: ['a', 'missing'] })
  await eventually(() => client.received().length === 2)
  t.strictSame(client.received(), ['endpoint a', '-endpoint missing'])

  client.send({ typeUrl: typeUrls.endpoint, resourceNamesSubscribe: ['b'], resourceNamesUnsubscribe: ['a'] })
  await eventually(() => client.received().length === 3)
  mesh.cache.apply({
    changed: [resource('endpoint', 'a', '2'), resource('endpoint', 'b', '2'), resource('endpoint', 'missing')],
    removed: [],
  })
  await eventually(() => client.received().length === 5)
  t.strictSame(client.received().slice(2), ['endpoint b', 'endpoint b', 'endpoint missing'])

  client.send({ typeUrl: typeUrls.endpoint, resourceNamesSubscribe: ['b'] })
  await eventually(() => client.received().length === 6)
  t.equal(client.received()[5], 'endpoint b', 'asked for again, it is sent again')
})

test('clusters and endpoints are acknowledged before listeners, and these before routes', async (t) => {
  const mesh = await serve(t, [resource('route', 'r'), resource('listener', 'l'), resource('endpoint', 'a'), resource('cluster', 'a')])
  const client = mesh.client().subscribe(['cluster', 'endpoint', 'listener', 'route'])
  await eventually(() => client.messages.length === 2)
  t.strictSame(client.received().toSorted(), ['cluster a', 'endpoint a'])
  client.acknowledge(await client.message(0))
  client.acknowledge(await client.message(1))
  client.acknowledge(await client.message(2))
  await eventually(() => client.messages.length === 4)
  t.strictSame(client.received().slice(2), ['listener l', 'route r'])
})

test('a route leaves its cluster before the cluster goes', async (t) => {
  const mesh = await serve(t, [resource('cluster', 'a'), resource('endpoint', 'a'), resource('route', 'r', 'to a')])
  const client = mesh.client().subscribe(['cluster', 'endpoint', 'route']).acknowledgeAll()
  await settled(mesh)
  mesh.cache.apply({
    changed: [resource('route', 'r', 'to nothing')],
    removed: [
      { typeUrl: typeUrls.cluster, name: 'a' },
      { typeUrl: typeUrls.endpoint, name: 'a' },
    ],
  })
  await settled(mesh)
  t.strictSame(client.received().slice(-3), ['route r', '-cluster a', '-endpoint a'])
})

test('endpoints that were asked for by name stay until their cluster has gone', async (t) => {
  const mesh = await serve(t, [resource('cluster', 'a'), resource('endpoint', 'a'), resource('route', 'r', 'to a')])
  const client = mesh.client().subscribe(['cluster', 'route']).acknowledgeAll()
  client.send({ typeUrl: typeUrls.endpoint, resourceNamesSubscribe: ['a'] })
  await settled(mesh)
  mesh.cache.apply({
    changed: [resource('route', 'r', 'to nothing')],
    removed: [
      { typeUrl: typeUrls.endpoint, name: 'a' },
      { typeUrl: typeUrls.cluster, name: 'a' },
    ],
  })
  await settled(mesh)
  t.strictSame(client.received().slice(-3), ['route r', '-cluster a', '-endpoint a'])
})

test('what changes again before it is sent still holds back what its last form uses', async (t) => {
  const mesh = await serve(t, [resource('cluster', 'old'), resource('route', 'r', 'to old')])
  const client = mesh.client().subscribe(['cluster', 'route'])
  for (const index of [0, 1]) client.acknowledge(await client.message(index))
  await settled(mesh)
  mesh.cache.apply({
    changed: [resource('cluster', 'new'), resource('route', 'r', 'to new')],
    removed: [{ typeUrl: typeUrls.cluster, name: 'old' }],
  })
  const added = await client.message(2)
  mesh.cache.apply({ changed: [resource('route', 'r', 'to new, changed')], removed: [] })
  client.acknowledge(added)
  client.acknowledge(await client.message(3))
  await eventually(() => client.received().length === 5)
  t.strictSame(client.received().slice(2), ['cluster new', 'route r', '-cluster old'])
})

test('a client that refuses a change keeps what it has, and for a while what that uses', async (t) => {
  const mesh = await serve(t, [resource('cluster', 'a'), resource('route', 'r', 'to a')])
  const client = mesh.client().subscribe(['cluster', 'route'])
  for (const index of [0, 1]) client.acknowledge(await client.message(index))
  await settled(mesh)
  const bad = resource('route', 'r', 'bad')
  mesh.cache.apply({ changed: [bad], removed: [{ typeUrl: typeUrls.cluster, name: 'a' }] })
  const { nonce } = await client.message(2)
  client.send({
    typeUrl: typeUrls.route,
    responseNonce: nonce,
    errorDetail: refusalStatus([{ typeUrl: typeUrls.route, name: 'r', version: bad.version, reason: 'no good' }]),
  })
  await eventually(() => mesh.server.clients()[0]?.refused.length)
  mesh.cache.apply({ changed: [resource('route', 'r', 'better')], removed: [] })
  client.acknowledge(await client.message(3))
  await eventually(() => client.received().length === 5)
  t.strictSame(client.received().slice(2), ['route r', 'route r', '-cluster a'])
})

test('a changed cluster brings its endpoints again, or the word that there are none', async (t) => {
  const mesh = await serve(t, [resource('cluster', 'a'), resource('cluster', 'b'), resource('endpoint', 'a')])
  const client = mesh.client().subscribe(['cluster']).acknowledgeAll()
  client.send({ typeUrl: typeUrls.endpoint, resourceNamesSubscribe: ['a', 'b'] })
  await eventually(() => client.received().length === 4)
  mesh.cache.apply({ changed: [resource('cluster', 'a', '2'), resource('cluster', 'b', '2')], removed: [] })
  await eventually(() => client.received().length === 8)
  t.strictSame(client.received().slice(4), ['cluster a', 'cluster b', 'endpoint a', '-endpoint b'])
})

test('while a client does not answer there is nothing to do for it', (t) => {
  const cache = new ResourceCache()
  cache.apply({
    changed: [...Array.from({ length: 5000 }, (_, i) => resource('cluster', `c${i}`)), resource('listener', 'l')],
    removed: [],
  })
  const shelf = { get: cache.get.bind(cache), all: cache.all.bind(cache), epoch: () => ({ number: 1, at: 0 }) }
  const delivery = new Delivery(shelf, { overdue: 60_000, grace: 0 })
  for (const type of ['cluster', 'listener'] as const) {
    const request = create(DeltaDiscoveryRequestSchema, { node: { id: 'x' }, typeUrl: typeUrls[type], resourceNamesSubscribe: ['*'] })
    delivery.receive(decodeRequest(toBinary(DeltaDiscoveryRequestSchema, request)))
  }
  const nonces: string[] = []
  for (let message = delivery.next(); message || delivery.busy; message = delivery.next()) if (message) nonces.push(message.nonce)
  t.equal(nonces.length, 3, 'messages without an answer')
  for (const nonce of nonces)
    delivery.receive(
      decodeRequest(
        toBinary(DeltaDiscoveryRequestSchema, create(DeltaDiscoveryRequestSchema, { typeUrl: typeUrls.cluster, responseNonce: nonce })),
      ),
    )
  t.ok(delivery.next() ?? delivery.busy, 'with the answers it goes on')
  t.end()
})

test('a change of endpoints does not wait for a route that comes later, nor for ever', async (t) => {
  const mesh = await serve(t, [resource('cluster', 'a'), resource('endpoint', 'a'), resource('route', 'r')], { overdue: 50 })
  const client = mesh.client().subscribe(['cluster', 'endpoint', 'route'])
  await eventually(() => client.received().includes('route r'))
  t.pass('what is never answered no longer holds routes back after a while')
})

test('a client that does not answer is sent the newest only, once it does', async (t) => {
  const mesh = await serve(t, [resource('cluster', 'a', '0')])
  const client = mesh.client().subscribe(['cluster'])
  await client.message(0)
  for (let i = 1; i <= 1000; i++) {
    mesh.cache.apply({ changed: [resource('cluster', 'a', String(i)), resource('cluster', `b${i}`)], removed: [] })
    mesh.cache.apply({ changed: [], removed: [{ typeUrl: typeUrls.cluster, name: `b${i}` }] })
    if (i % 100 === 0) await new Promise(setImmediate)
  }
  await eventually(() => mesh.server.clients()[0]?.types['cluster']?.unanswered === 3)
  const pending = mesh.server.clients()[0]?.types['cluster']?.pending ?? 0
  t.ok(pending <= 1001, 'each name waits once')
  client.acknowledgeAll()
  await settled(mesh)
  t.ok(client.messages.length < 10, `${client.messages.length} messages for 2,000 changes`)
  const last = client.messages.flatMap(({ resources }) => resources).findLast(({ name }) => name === 'a')
  t.equal(last?.version, resource('cluster', 'a', '1000').version)
})

test('a NACK with details refuses what it names; the rest holds', async (t) => {
  const refused: unknown[] = []
  const a = resource('cluster', 'a')
  const mesh = await serve(t, [a, resource('cluster', 'b')], {
    onRefused: (client, refusals) => refused.push([client, refusals.map(({ name, version, reason }) => [name, version, reason])]),
  })
  const client = mesh.client().subscribe(['cluster'])
  const { nonce } = await client.message(0)
  client.send({
    typeUrl: typeUrls.cluster,
    responseNonce: nonce,
    errorDetail: refusalStatus([{ typeUrl: typeUrls.cluster, name: 'a', version: a.version, reason: 'no good' }]),
  })
  await settled(mesh)
  t.strictSame(refused, [['raw', [['a', a.version, 'no good']]]])
  t.match(mesh.server.clients()[0]?.refused, [{ name: 'a', version: a.version, reason: 'no good' }])
  t.equal(client.messages.length, 1, 'nothing is sent again')

  mesh.cache.apply({ changed: [resource('cluster', 'a', 'better')], removed: [] })
  client.acknowledgeAll()
  await settled(mesh)
  t.strictSame(mesh.server.clients()[0]?.refused, [], 'a version that is accepted ends the refusal')
})

test('a NACK that names nothing is isolated by halves; the rest is delivered', async (t) => {
  const all = Array.from({ length: 50 }, (_, i) => resource('cluster', `c${i}`))
  const mesh = await serve(t, all)
  const client = mesh.client().subscribe(['cluster'])
  const accepted = new Set<string>()
  const bad = new Set(['c7', 'c33'])
  for (let i = 0; accepted.size < 48 || mesh.server.clients()[0]?.refused.length !== 2; i++) {
    const message = await client.message(i)
    if (message.resources.some(({ name }) => bad.has(name))) client.refuse(message, 'cannot be unpacked')
    else {
      for (const { name } of message.resources) accepted.add(name)
      client.acknowledge(message)
    }
    await eventually(() => client.messages.length > i + 1 || mesh.server.clients()[0]?.refused.length === 2)
  }
  await settled(mesh)
  t.strictSame(
    mesh.server
      .clients()[0]
      ?.refused.map(({ name, reason }) => [name, reason])
      .toSorted(),
    [
      ['c33', 'cannot be unpacked'],
      ['c7', 'cannot be unpacked'],
    ],
  )
  t.equal(accepted.size, 48)
})

test("a NACK in Envoy's words refuses the clusters that it names", async (t) => {
  const mesh = await serve(t, [resource('cluster', 'pub/a.b'), resource('cluster', 'pub/a'), resource('cluster', 'pub/c, d: e')])
  const client = mesh.client().subscribe(['cluster'])
  client.refuse(await client.message(0), 'Error adding/updating cluster(s) pub/a: is bad, really, pub/c, d: e: is worse')
  await settled(mesh)
  t.strictSame(
    mesh.server.clients()[0]?.refused.map(({ name, reason }) => [name, reason]),
    [
      ['pub/a', 'is bad, really'],
      ['pub/c, d: e', 'is worse'],
    ],
  )
  t.equal(client.messages.length, 1)
})

test('each client gets resources of its own, anew when they are refreshed', async (t) => {
  let content = '1'
  const mesh = await serve(t, [], { perNode: ({ id }) => [resource('listener', `of ${id}`, content)] })
  const client = mesh.client().subscribe(['listener']).acknowledgeAll()
  await settled(mesh)
  mesh.server.refresh()
  await settled(mesh)
  content = '2'
  mesh.server.refresh()
  await settled(mesh)
  t.strictSame(client.received(), ['listener of raw', 'listener of raw'])
})

test('a stream that breaks the protocol is refused; unknown types are ignored', async (t) => {
  const mesh = await serve(t, [resource('cluster', 'a')])
  const nameless = mesh.client().send({ typeUrl: typeUrls.cluster })
  await eventually(() => nameless.ended)
  t.equal(nameless.ended?.code, status.INVALID_ARGUMENT)

  const client = mesh.client().send({ node: { id: 'x' }, typeUrl: 'type.googleapis.com/unknown.Type' })
  client.send({
    typeUrl: typeUrls.cluster,
    responseNonce: 'never sent',
    errorDetail: {
      code: 3,
      message: 'no',
      details: [{ typeUrl: 'type.googleapis.com/google.protobuf.Struct', value: Uint8Array.of(0xff) }],
    },
  })
  await eventually(() => client.ended ?? client.messages[0])
  t.ok(client.ended?.code === status.INVALID_ARGUMENT || client.messages.length)
  const garbled = new RawBytes(
    mesh.address,
    Buffer.concat([
      toBinary(DeltaDiscoveryRequestSchema, create(DeltaDiscoveryRequestSchema, { node: { id: 'y' }, typeUrl: typeUrls.cluster })),
      Buffer.from([0x2a, 0x03, 0x0a, 0x7f, 0x61]),
    ]),
  )
  t.teardown(() => garbled.close())
  await eventually(() => garbled.ended)
  t.equal(garbled.ended?.code, status.INVALID_ARGUMENT, 'versions that cannot be read, which is found out later')

  const other = mesh.client().subscribe(['cluster'])
  await other.message(0)
  t.pass('others are served')
})

test('a client that is not admitted hears why', async (t) => {
  const mesh = await serve(t, [], { admit: () => ({ code: status.UNAVAILABLE, details: 'not yet' }) })
  const client = mesh.client().subscribe(['cluster'])
  await eventually(() => client.ended)
  t.match(client.ended, { code: status.UNAVAILABLE, details: 'not yet' })
})
