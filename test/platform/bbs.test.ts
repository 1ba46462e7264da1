import { test } from 'tap'
import { connect } from 'node:tls'
import { Bbs } from '../../src/platform/bbs/client.ts'
import type { BbsEvent } from '../../src/platform/bbs/events.ts'
import { readTls } from '../../src/common/tls.ts'
import { actualLrp, desiredLrp, FakeBbs } from './support/bbs.ts'
import { tlsFiles } from './support/certificates.ts'
import { eventually } from '../support/wait.ts'

const tls = tlsFiles('route-syncer.service.cf.internal')
const serverName = 'bbs.service.cf.internal'

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

async function begin(t: { teardown: (end: () => Promise<void>) => void }, addresses: (bbs: FakeBbs) => string[] = (bbs) => [bbs.url]) {
  const server = await new FakeBbs().listen()
  const client = new Bbs({ addresses: addresses(server), tls, serverName, timeout: 2_000 })
  t.teardown(async () => {
    await client.close()
    await server.close()
  })
  return { server, client }
}

function follow(client: Bbs) {
  const stop = new AbortController()
  const events: BbsEvent[] = []
  let opened = 0
  const ended = client
    .follow({ signal: stop.signal, onOpen: () => opened++, onEvent: (event) => events.push(event) })
    .catch((error: Error) => error)
  return { events, ended, stop, opened: () => opened }
}

test('lists are read over mutual TLS', async (t) => {
  const { server, client } = await begin(t)
  server.desired.set('p', desiredLrp({ process: 'p', hosts: ['a.mesh/x'] }))
  server.actual.set('i', actualLrp({ process: 'p', guid: 'i' }))
  t.equal(await client.ping(), true)
  t.same([...(await client.freshDomains())], ['cf-apps'])
  t.equal((await collect(client.desiredLrps()))[0]?.processGuid, 'p')
  t.equal((await collect(client.actualLrps()))[0]?.actualLrpInstanceKey?.instanceGuid, 'i')
})

test('an older BBS without routing infos is asked for the whole desired LRPs', async (t) => {
  const { server, client } = await begin(t)
  server.answers.set('/v1/desired_lrp_routing_infos/list', 'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n')
  server.answers.set('/v1/desired_lrps/list.r3', 'HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n')
  t.same(await collect(client.desiredLrps()), [])
  t.match(server.requests, ['/v1/desired_lrp_routing_infos/list', '/v1/desired_lrps/list.r3'])
})

test('an API error, which comes with status 200, is an error', async (t) => {
  const { server, client } = await begin(t)
  // Error{type: 4, message: "bad"} as field 1.
  server.answers.set(
    '/v1/actual_lrps/list',
    Buffer.concat([
      Buffer.from('HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 9\r\n\r\n'),
      Buffer.from([10, 7, 8, 4, 18, 3, 98, 97, 100]),
    ]),
  )
  await t.rejects(collect(client.actualLrps()), { code: 'MESH_BBS_REFUSED', message: /bad/ })
})

test('truncated, garbled and foreign answers are errors', async (t) => {
  const { server, client } = await begin(t)
  const answer = (type: string, body: Buffer, length = body.length) =>
    Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nContent-Length: ${length}\r\n\r\n`), body])
  for (const [name, bytes] of Object.entries({
    'cut within a message': answer('application/x-protobuf', Buffer.from([18, 40, 10, 3, 97])),
    'cut within the body': answer('application/x-protobuf', Buffer.from([18, 2]), 100),
    'an unknown wire type': answer('application/x-protobuf', Buffer.from([0x17, 1])),
    'a page in HTML': answer('text/html', Buffer.from('<html>')),
  })) {
    server.answers.set('/v1/actual_lrps/list', bytes)
    await t.rejects(collect(client.actualLrps()), { code: /MESH_BBS_REFUSED|MESH_NEIGHBOUR_UNREACHABLE/ }, name)
  }
})

test('a server that is not BBS by its certificate is not asked', async (t) => {
  const { server } = await begin(t)
  const client = new Bbs({ addresses: [server.url], tls, serverName: 'copilot.service.cf.internal' })
  t.teardown(() => client.close())
  await t.rejects(client.ping(), { code: 'MESH_NEIGHBOUR_UNREACHABLE', message: /copilot.service.cf.internal/ })
  t.match(await follow(client).ended, /altnames|does not match/i)
  t.same(server.requests, [])
})

test('a client without certificate gets nothing', async (t) => {
  const { server } = await begin(t)
  const socket = connect({ port: Number(new URL(server.url).port), host: '127.0.0.1', ca: readTls(tls).ca, servername: serverName })
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.on('error', () => {})
  socket.write('POST /v1/ping HTTP/1.1\r\n\r\n')
  await closed
  t.same(server.requests, [])
})

test('the next address is asked when one does not answer', async (t) => {
  const { server, client } = await begin(t, (bbs) => ['https://127.0.0.1:1', bbs.url])
  t.equal(await client.ping(), true)
  t.equal(client.address, server.url, 'and stays the one that is asked')
})

test('events are read although their chunk headers end in a semicolon', async (t) => {
  const { server, client } = await begin(t)
  const { events, stop, ended, opened } = follow(client)
  await eventually(() => server.streams === 1 && opened() === 1)
  server.emit('desired_lrp_created', { desiredLrp: desiredLrp({ process: 'p' }) })
  server.emit('desired_lrp_changed', { before: desiredLrp({ process: 'p' }), after: desiredLrp({ process: 'p', instances: 2 }) })
  const { actualLrpKey, actualLrpInstanceKey, ...before } = actualLrp({ process: 'p', guid: 'i', state: 'CLAIMED' })
  server.emit('actual_lrp_instance_changed', {
    actualLrpKey,
    actualLrpInstanceKey,
    before,
    after: { ...before, state: 'RUNNING', routable: false },
  })
  server.emit('actual_lrp_crashed', {})
  server.write('event: something_new\ndata: !!!\n\n')
  server.emit('desired_lrp_removed', { desiredLrp: desiredLrp({ process: 'p' }) })
  await eventually(() => events.length === 4)
  t.match(events, [
    { kind: 'desired', lrp: { instances: 1 } },
    { kind: 'desired', lrp: { instances: 2 } },
    {
      kind: 'actual',
      lrp: { state: 'RUNNING', routable: false, actualLrpInstanceKey: { instanceGuid: 'i' } },
      before: { state: 'CLAIMED' },
    },
    { kind: 'desired-removed' },
  ])
  stop.abort(new Error('enough'))
  t.match(await ended, { message: 'enough' })
})

test('events are read however the bytes are cut, also without transfer coding', async (t) => {
  for (const transfer of ['chunked', 'identity'] as const) {
    const { server, client } = await begin(t)
    server.transfer = transfer
    const { events, stop } = follow(client)
    await eventually(() => server.streams === 1)
    const data = Buffer.from([10, 3, 10, 1, 112]).toString('base64')
    const text = `: a comment\nid: 1\r\nevent: desired_lrp_created\r\ndata: ${data}\r\n\r\n`
    const bytes = transfer === 'identity' ? text : text.replace(/[^]/g, (byte) => `1;\r\n${byte}\r\n`)
    for (const byte of bytes) server.raw(byte)
    await eventually(() => events.length === 1)
    t.match(events, [{ kind: 'desired', lrp: { processGuid: 'p' } }], transfer)
    stop.abort()
  }
})

test('a stream that makes no sense ends with an error and nothing worse', async (t) => {
  for (const [name, bytes] of Object.entries({
    'no chunk header': 'zz;\r\n',
    'a chunk longer than any event': 'ffffffff;\r\n',
    'an endless chunk header': '1'.repeat(3000),
    'no line end after a chunk': '1;\r\naXX\r\n',
    'data that is no base64': '2a;\r\nevent: desired_lrp_created\ndata: ####\n\n  \r\n',
    'data that is no message': '2c;\r\nevent: desired_lrp_created\ndata: CgVwcm9j\n\n\r\n',
    'an event without LRP': '25;\r\nevent: desired_lrp_created\ndata: EgA=\n\n\r\n',
    goodbye: '0\r\n\r\n',
  })) {
    const { server, client } = await begin(t)
    const { ended, events } = follow(client)
    await eventually(() => server.streams === 1)
    server.raw(bytes)
    t.match(await ended, { code: /^MESH_/ }, name)
    t.same(events, [], name)
  }
})

test('a stream that is cut, refused or never answered ends with an error', async (t) => {
  const { server, client } = await begin(t)
  const cut = follow(client)
  await eventually(() => server.streams === 1)
  server.cut()
  t.match(await cut.ended, { code: 'MESH_BBS_STREAM_ENDED' })

  for (const head of [
    'HTTP/1.1 503 Busy\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n',
    `HTTP/1.1 200 OK\r\n${'X: y\r\n'.repeat(20_000)}`,
    'SSH-2.0\r\n\r\n',
  ]) {
    server.answers.set('/v1/events/lrp_instances.r1', head)
    t.match(await follow(client).ended, { code: /MESH_BBS_STREAM_(REFUSED|ENDED)/ }, head.slice(0, 30))
  }
  await server.close()
  t.ok((await follow(client).ended) instanceof Error, 'nobody there')
})
