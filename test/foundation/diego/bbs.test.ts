import { create, fromBinary } from '@bufbuild/protobuf'
import { test, type Test } from 'tap'
import { createLogger } from '../../../src/common/log.ts'
import {
  ActualLRPLifecycleResponseSchema,
  ActualLRPsRequestSchema,
  ActualLRPsResponseSchema,
  CellPresenceSchema,
  CellsResponseSchema,
  ClaimActualLRPRequestSchema,
  CrashActualLRPRequestSchema,
  DesiredLRPLifecycleResponseSchema,
  DesiredLRPSchema,
  DesiredLRPSchedulingInfosResponseSchema,
  DesiredLRPsRequestSchema,
  DesiredLRPsResponseSchema,
  DesireLRPRequestSchema,
  DomainsResponseSchema,
  FailActualLRPRequestSchema,
  RemoveActualLRPRequestSchema,
  RemoveDesiredLRPRequestSchema,
  RetireActualLRPRequestSchema,
  StartActualLRPRequestSchema,
  UpdateDesiredLRPRequestSchema,
  UpsertDomainRequestSchema,
  UpsertDomainResponseSchema,
} from '../../../src/common/proto/gen/bbs_pb.js'
import { Bbs } from '../../../src/foundation/diego/bbs/bbs.ts'
import type { Cells } from '../../../src/foundation/diego/bbs/cells.ts'
import { defaultRestartPolicy } from '../../../src/foundation/diego/bbs/restart-policy.ts'
import { BbsServer } from '../../../src/foundation/diego/bbs/server.ts'
import { client, eventually, server as tls, unknownClient } from './harness.ts'
import { call, send, subscribe } from './wire.ts'

/** Cells that are elsewhere: what is placed waits until somebody claims it over the wire. */
const elsewhere: Cells = {
  presences: () => [create(CellPresenceSchema, { cellId: 'cell-1', zone: 'z1' })],
  place: () => {},
  stopInstance: () => false,
  updated: () => {},
}

async function start(t: Test, policy = {}) {
  const bbs = new Bbs(elsewhere, { ...defaultRestartPolicy, ...policy })
  const server = new BbsServer({ bbs, listen: { host: '127.0.0.1', port: 0 }, tls, log: createLogger('bbs', 'silent') })
  await server.start()
  t.teardown(() => server.stop())
  const { port } = server
  const route = (hostname: string) => ({ routes: { 'cf-router': Buffer.from(JSON.stringify([{ hostnames: [hostname], port: 8080 }])) } })
  const key = (processGuid: string, index: number) => ({ processGuid, index, domain: 'cf-apps' })
  const instance = (instanceGuid: string, cellId = 'cell-1') => ({ instanceGuid, cellId })
  return {
    bbs,
    port,
    server,
    desire: (processGuid: string, instances: number, changes = {}) =>
      call(
        port,
        '/v1/desired_lrp/desire.r2',
        DesireLRPRequestSchema,
        {
          desiredLrp: {
            processGuid,
            domain: 'cf-apps',
            rootFs: 'preloaded:cflinuxfs4',
            instances,
            logGuid: 'log',
            memoryMb: 32,
            annotation: 'note',
            routes: route('a.test'),
            ...changes,
          },
        },
        DesiredLRPLifecycleResponseSchema,
      ),
    update: (processGuid: string, update: { instances?: number; hostname?: string }) =>
      call(
        port,
        '/v1/desired_lrp/update',
        UpdateDesiredLRPRequestSchema,
        { processGuid, update: { instances: update.instances, ...(update.hostname ? { routes: route(update.hostname) } : {}) } },
        DesiredLRPLifecycleResponseSchema,
      ),
    remove: (processGuid: string) =>
      call(port, '/v1/desired_lrp/remove', RemoveDesiredLRPRequestSchema, { processGuid }, DesiredLRPLifecycleResponseSchema),
    desired: (filter = {}) => call(port, '/v1/desired_lrps/list.r3', DesiredLRPsRequestSchema, filter, DesiredLRPsResponseSchema),
    actual: (filter = {}) => call(port, '/v1/actual_lrps/list', ActualLRPsRequestSchema, filter, ActualLRPsResponseSchema),
    claim: (guid: string, index: number, instanceGuid: string, cellId?: string) =>
      call(
        port,
        '/v1/actual_lrps/claim',
        ClaimActualLRPRequestSchema,
        { processGuid: guid, index, actualLrpInstanceKey: instance(instanceGuid, cellId) },
        ActualLRPLifecycleResponseSchema,
      ),
    run: (guid: string, index: number, instanceGuid: string, cellId?: string) =>
      call(
        port,
        '/v1/actual_lrps/start.r1',
        StartActualLRPRequestSchema,
        {
          actualLrpKey: key(guid, index),
          actualLrpInstanceKey: instance(instanceGuid, cellId),
          availabilityZone: 'z1',
          actualLrpNetInfo: {
            address: '10.0.0.1',
            ports: [{ containerPort: 8080, hostPort: 61000 + index, containerTlsProxyPort: 61001, hostTlsProxyPort: 62000 + index }],
          },
        },
        ActualLRPLifecycleResponseSchema,
      ),
    crash: (guid: string, index: number, instanceGuid: string) =>
      call(
        port,
        '/v1/actual_lrps/crash',
        CrashActualLRPRequestSchema,
        { actualLrpKey: key(guid, index), actualLrpInstanceKey: instance(instanceGuid), errorMessage: 'boom' },
        ActualLRPLifecycleResponseSchema,
      ),
    fail: (guid: string, index: number) =>
      call(
        port,
        '/v1/actual_lrps/fail',
        FailActualLRPRequestSchema,
        { actualLrpKey: key(guid, index), errorMessage: 'no room' },
        ActualLRPLifecycleResponseSchema,
      ),
    removeActual: (guid: string, index: number, instanceGuid: string, cellId?: string) =>
      call(
        port,
        '/v1/actual_lrps/remove',
        RemoveActualLRPRequestSchema,
        { processGuid: guid, index, actualLrpInstanceKey: instance(instanceGuid, cellId) },
        ActualLRPLifecycleResponseSchema,
      ),
    retire: (guid: string, index: number) =>
      call(
        port,
        '/v1/actual_lrps/retire',
        RetireActualLRPRequestSchema,
        { actualLrpKey: key(guid, index) },
        ActualLRPLifecycleResponseSchema,
      ),
  }
}

test('answers as the real server does: POST only, 404 for what it does not have, mutual TLS 1.3', async (t) => {
  const { port } = await start(t)
  const ping = await send(port, '/v1/ping')
  t.match(ping, { status: 200, headers: { 'content-type': 'application/x-protobuf', 'content-length': '2' }, body: Buffer.from([8, 1]) })
  t.equal((await send(port, '/v1/ping', { method: 'GET' })).status, 405)
  t.equal((await send(port, '/v1/nothing')).status, 404)
  t.equal((await send(port, '/v1/nothing', { method: 'GET' })).status, 404)
  t.equal((await send(port, '/constructor')).status, 404)
  await t.rejects(send(port, '/v1/ping', { tls: { ca: client.ca } }), 'no client certificate')
  await t.rejects(send(port, '/v1/ping', { tls: { ...unknownClient, ca: client.ca } }), 'a certificate of another CA')
  await t.rejects(send(port, '/v1/ping', { tls: { ...client, maxVersion: 'TLSv1.2' } }), 'TLS 1.2')
})

test('errors are answers with status 200 that bear the error', async (t) => {
  const bbs = await start(t)
  const garbage = await send(bbs.port, '/v1/desired_lrps/list.r3', { body: Buffer.from([0xff, 0xff, 0xff]) })
  t.match(fromBinary(DesiredLRPsResponseSchema, garbage.body), { error: { type: 4, message: 'the request received is invalid' } })
  t.equal(garbage.status, 200)
  t.match(await bbs.remove('none'), { error: { type: 13, message: 'the requested resource could not be found' } })
  t.match(await bbs.desire('', 1, { domain: '', rootFs: 'nonsense', instances: -1 }), {
    error: { type: 4, message: 'Invalid field: domain, Invalid field: rootfs, Invalid field: instances, Invalid field: process_guid' },
  })
  await bbs.desire('p', 1)
  t.match(await bbs.desire('p', 1), { error: { type: 12 } })
  t.match(await bbs.claim('p', 7, 'i'), { error: { type: 13 } })
  t.match(await bbs.crash('p', 0, 'i'), { error: { type: 17, message: 'cannot crash actual LRP' } })
  await bbs.run('p', 0, 'i')
  t.match(await bbs.claim('p', 0, 'other'), { error: { type: 15, message: 'cannot claim actual LRP' } })
  t.match(await bbs.run('p', 0, 'other'), { error: { type: 16, message: 'cannot start actual LRP' } })
  t.match(await bbs.crash('p', 0, 'other'), { error: { type: 17 } })
  t.match(await bbs.fail('p', 0), { error: { type: 18, message: 'cannot fail actual LRP' } })
  t.match(await bbs.removeActual('p', 0, 'other'), { error: { type: 13 } })
  t.match(await call(bbs.port, '/v1/domains/upsert', UpsertDomainRequestSchema, { ttl: 1 }, UpsertDomainResponseSchema), {
    error: { type: 4, message: 'Invalid field: domain' },
  })
})

test('lists by filter; an empty request asks for all', async (t) => {
  const bbs = await start(t)
  await bbs.desire('p-1', 2)
  await bbs.desire('p-2', 1, { domain: 'cf-tasks' })
  await bbs.run('p-1', 0, 'i-0', 'cell-1')
  await bbs.run('p-1', 1, 'i-1', 'cell-2')

  const guids = ({ desiredLrps }: Awaited<ReturnType<typeof bbs.desired>>) => desiredLrps.map(({ processGuid }) => processGuid).toSorted()
  const all = await send(bbs.port, '/v1/desired_lrps/list.r3')
  t.same(guids(fromBinary(DesiredLRPsResponseSchema, all.body)), ['p-1', 'p-2'])
  t.same(guids(await bbs.desired({ domain: 'cf-tasks' })), ['p-2'])
  t.same(guids(await bbs.desired({ processGuids: ['p-1', 'none'] })), ['p-1'])

  const instances = ({ actualLrps }: Awaited<ReturnType<typeof bbs.actual>>) =>
    actualLrps.map(({ actualLrpKey: key }) => `${key!.processGuid}/${key!.index}`).toSorted()
  t.same(instances(await bbs.actual()), ['p-1/0', 'p-1/1', 'p-2/0'])
  t.same(instances(await bbs.actual({ cellId: 'cell-2' })), ['p-1/1'])
  t.same(instances(await bbs.actual({ processGuid: 'p-1', index: 0 })), ['p-1/0'])
  t.same(instances(await bbs.actual({ domain: 'cf-tasks' })), ['p-2/0'])

  const [routing] = (
    await call(
      bbs.port,
      '/v1/desired_lrp_routing_infos/list',
      DesiredLRPsRequestSchema,
      { processGuids: ['p-1'] },
      DesiredLRPsResponseSchema,
    )
  ).desiredLrps
  t.match(routing, { processGuid: 'p-1', domain: 'cf-apps', logGuid: 'log', instances: 2, modificationTag: { index: 0 } })
  t.equal(Buffer.from(routing!.routes!.routes['cf-router']!).toString(), '[{"hostnames":["a.test"],"port":8080}]')
  t.match(routing, { annotation: '', memoryMb: 0, rootFs: '' }, 'routing fields only')
  const infos = await call(
    bbs.port,
    '/v1/desired_lrp_scheduling_infos/list',
    DesiredLRPsRequestSchema,
    { processGuids: ['p-1'] },
    DesiredLRPSchedulingInfosResponseSchema,
  )
  t.match(infos.desiredLrpSchedulingInfos, [
    { desiredLrpKey: { processGuid: 'p-1' }, annotation: 'note', instances: 2, desiredLrpResource: { memoryMb: 32 } },
  ])
  t.match(fromBinary(CellsResponseSchema, (await send(bbs.port, '/v1/cells/list.r1')).body), { cells: [{ cellId: 'cell-1', zone: 'z1' }] })
})

test('a domain is fresh until its time has passed', async (t) => {
  const { port } = await start(t)
  const upsert = (domain: string, ttl: number) =>
    call(port, '/v1/domains/upsert', UpsertDomainRequestSchema, { domain, ttl }, UpsertDomainResponseSchema)
  const fresh = async () => fromBinary(DomainsResponseSchema, (await send(port, '/v1/domains/list')).body).domains
  await upsert('for-ever', 0)
  await upsert('for-a-second', 1)
  t.same(await fresh(), ['for-ever', 'for-a-second'])
  await eventually('stale', async () => (await fresh()).length === 1)
})

test('modification tags: an epoch for each life, an index for each change', async (t) => {
  const bbs = await start(t)
  await bbs.desire('p', 1)
  const tags = async () => {
    const [desired] = (await bbs.desired()).desiredLrps
    const [actual] = (await bbs.actual()).actualLrps
    return [desired!.modificationTag!, actual!.modificationTag!] as const
  }
  const [desired, actual] = await tags()
  t.match([desired.index, actual.index], [0, 0])
  await bbs.update('p', { hostname: 'b.test' })
  await bbs.claim('p', 0, 'i')
  await bbs.run('p', 0, 'i')
  await bbs.run('p', 0, 'i')
  t.match(
    await tags(),
    [
      { epoch: desired.epoch, index: 1 },
      { epoch: actual.epoch, index: 2 },
    ],
    'a start that changes nothing counts as none',
  )
  await bbs.removeActual('p', 0, 'i')
  await bbs.remove('p')
  await bbs.desire('p', 1)
  const again = await tags()
  t.not(again[0].epoch, desired.epoch)
  t.not(again[1].epoch, actual.epoch)
})

test('the event stream has the chunk headers of the real server, ids from 0, and ends with the last chunk', async (t) => {
  const { port, desire, server } = await start(t)
  const stream = await subscribe(port)
  t.match(
    stream.text,
    /^HTTP\/1\.1 200 OK\r\n[^]*Content-Type: text\/event-stream; charset=utf-8\r\n[^]*Transfer-Encoding: chunked\r\n\r\n$/,
  )
  await desire('p', 2)
  await eventually('three events', () => stream.chunks.length === 3)
  for (const { header } of stream.chunks) t.match(header, /^[0-9a-f]+;$/)
  t.same(
    stream.messages.map(({ id }) => id),
    [0, 1, 2],
  )
  const later = await subscribe(port)
  await desire('q', 0)
  await eventually('its event', () => later.messages.length === 1)
  t.equal(later.messages[0]!.id, 0, 'ids are per connection, nothing is replayed')
  t.equal(stream.messages.at(-1)!.id, 3)
  await server.stop()
  await eventually('closed', () => stream.closed && later.closed)
  t.ok(stream.text.endsWith('\r\n0\r\n\r\n'))
})

test('an LRP tells of its life in the events of the real server', async (t) => {
  const bbs = await start(t, { immediate: 2, minDelayMs: 50 })
  const stream = await subscribe(bbs.port)
  let seen = 0
  const events = async (...expected: string[]) => {
    await eventually(`${expected.join()} after ${stream.names.slice(seen).join()}`, () => stream.messages.length >= seen + expected.length)
    const messages = stream.messages.slice(seen)
    t.same(
      messages.map(({ name }) => name),
      expected,
    )
    seen += messages.length
    return messages.map(({ message }) => message)
  }

  await bbs.desire('p', 2)
  t.match(await events('desired_lrp_created', 'actual_lrp_instance_created', 'actual_lrp_instance_created'), [
    { desiredLrp: { processGuid: 'p', annotation: 'note' } },
    { actualLrp: { state: 'UNCLAIMED', routable: false, actualLrpKey: { index: 0 } } },
    { actualLrp: { actualLrpKey: { index: 1 } } },
  ])

  await bbs.claim('p', 0, 'i')
  await bbs.run('p', 0, 'i')
  t.match(await events('actual_lrp_instance_changed', 'actual_lrp_instance_changed'), [
    {
      actualLrpInstanceKey: { instanceGuid: 'i' },
      before: { state: 'UNCLAIMED' },
      after: { state: 'CLAIMED', modificationTag: { index: 1 } },
    },
    {
      after: {
        state: 'RUNNING',
        routable: true,
        availabilityZone: 'z1',
        actualLrpNetInfo: { address: '10.0.0.1', ports: [{ hostTlsProxyPort: 62000 }] },
      },
    },
  ])

  await bbs.update('p', { hostname: 'b.test' })
  t.match(await events('desired_lrp_changed'), [
    { before: { modificationTag: { index: 0 } }, after: { modificationTag: { index: 1 }, instances: 2 } },
  ])

  await bbs.update('p', { instances: 3 })
  await events('actual_lrp_instance_created', 'desired_lrp_changed')
  await bbs.update('p', { instances: 1 })
  t.match(await events('actual_lrp_instance_removed', 'actual_lrp_instance_removed', 'desired_lrp_changed'), [
    {},
    {},
    { after: { instances: 1 } },
  ])

  await bbs.crash('p', 0, 'i')
  t.match(await events('actual_lrp_crashed', 'actual_lrp_instance_created', 'actual_lrp_instance_removed'), [
    { actualLrpInstanceKey: { instanceGuid: 'i' }, crashCount: 1, crashReason: 'boom' },
    { actualLrp: { state: 'UNCLAIMED', crashCount: 1, actualLrpInstanceKey: { instanceGuid: '' } } },
    { actualLrp: { state: 'RUNNING', actualLrpInstanceKey: { instanceGuid: 'i' } } },
  ])

  await bbs.run('p', 0, 'j')
  await bbs.crash('p', 0, 'j')
  const [, , changed, placed, removed] = await events(
    'actual_lrp_instance_changed',
    'actual_lrp_crashed',
    'actual_lrp_instance_changed',
    'actual_lrp_instance_created',
    'actual_lrp_instance_removed',
  )
  t.match(
    [changed, placed, removed],
    [
      { actualLrpInstanceKey: { instanceGuid: 'j' }, after: { state: 'CRASHED', crashCount: 2 } },
      { actualLrp: { state: 'UNCLAIMED', crashCount: 2 } },
      { actualLrp: { state: 'CRASHED' } },
    ],
    'placed again after the delay',
  )

  await bbs.fail('p', 0)
  t.match(await events('actual_lrp_instance_changed'), [{ after: { placementError: 'no room' } }])
  await bbs.run('p', 0, 'k')
  await bbs.remove('p')
  await events('actual_lrp_instance_changed', 'desired_lrp_removed')
  t.equal((await bbs.actual()).actualLrps.length, 1, 'one that runs stays until its cell removes it')
  await bbs.removeActual('p', 0, 'k')
  await events('actual_lrp_instance_removed')
  await bbs.run('other', 0, 'x')
  await bbs.retire('other', 0)
  await events('actual_lrp_instance_created', 'actual_lrp_instance_removed')
})

test('with a cell, a subscriber gets the events of that cell and of all desired LRPs', async (t) => {
  const bbs = await start(t)
  const stream = await subscribe(bbs.port, 'cell-2')
  await bbs.desire('p', 2)
  await bbs.run('p', 0, 'i', 'cell-1')
  await bbs.run('p', 1, 'j', 'cell-2')
  await bbs.removeActual('p', 0, 'i', 'cell-1')
  await bbs.remove('p')
  await eventually('the last event', () => stream.names.at(-1) === 'desired_lrp_removed')
  t.same(stream.names, ['desired_lrp_created', 'actual_lrp_instance_changed', 'desired_lrp_removed'])
})

test('a subscriber that does not read is dropped, and the others go on', async (t) => {
  const { bbs, port } = await start(t)
  const [slow, quick] = [await subscribe(port), await subscribe(port)]
  slow.pause()
  bbs.desired.desire(create(DesiredLRPSchema, { processGuid: 'p', domain: 'd', rootFs: 'preloaded:x', annotation: 'x'.repeat(10_000) }))
  await eventually('dropped', () => {
    for (let change = 0; change < 100; change++) bbs.desired.update('p')
    return bbs.events.subscribers === 1
  })
  const { length } = quick.text
  bbs.desired.update('p')
  await eventually('one more', () => quick.text.length > length)
  t.notOk(quick.closed)
})
