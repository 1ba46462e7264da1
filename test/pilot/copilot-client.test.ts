import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { TLSSocket } from 'node:tls'
import tap, { test, type Test } from 'tap'
import type { TlsConfig } from '../../src/common/config.ts'
import { createLogger } from '../../src/common/log.ts'
import { peerNames, readTls } from '../../src/common/tls.ts'
import type { Change } from '../../src/mesh/records.ts'
import { CopilotClient, type Follower } from '../../src/pilot/copilot-client.ts'
import { TestAuthority } from '../support/pki.ts'
import { eventually } from '../support/wait.ts'
import { process } from './records.ts'

const folder = mkdtempSync(join(tmpdir(), 'mesh-copilot-'))
tap.teardown(() => rmSync(folder, { recursive: true }))
const authority = new TestAuthority(folder)
const [copilotTls, impostorTls, pilotTls] = ['copilot', 'impostor', 'pilot'].map((name) => authority.issue(name)) as [
  TlsConfig,
  TlsConfig,
  TlsConfig,
]

/** A copilot that answers each watch by what a test says, and remembers what it was asked. */
class Copilot {
  readonly asked: string[] = []
  readonly streams: ServerResponse[] = []
  peers: string[] = []
  answer: (request: IncomingMessage, response: ServerResponse) => void = () => {}
  readonly #server: Server

  constructor(tls: TlsConfig) {
    this.#server = createServer({ ...readTls(tls), requestCert: true, rejectUnauthorized: true }, (request, response) => {
      this.peers = peerNames(request.socket as TLSSocket)
      this.asked.push(`${request.method} ${request.url}`)
      if (request.url?.startsWith('/v1/watch')) this.streams.push(response)
      this.answer(request, response)
    })
  }

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Writes lines to the newest stream. */
  send(...lines: unknown[]): void {
    this.streams.at(-1)?.write(lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }
}

const keyOf = ({ key, value }: Change): string => (value ? key : `-${key}`)

/** Notes what it is given, in order. */
class Recorder implements Follower {
  readonly calls: [string, string[]][] = []
  /** Of the snapshot that is being read. */
  reading: string[] = []
  abandoned = 0
  begin(): void {
    this.reading = []
  }
  async read(records: Change[]): Promise<void> {
    this.reading.push(...records.map(keyOf))
  }
  async finish(changes: Change[]): Promise<void> {
    this.calls.push(['replace', [...this.reading, ...changes.map(keyOf)]])
  }
  abandon(): void {
    this.abandoned++
  }
  async apply(changes: Change[]): Promise<void> {
    this.calls.push(['apply', changes.map(keyOf)])
  }
}

const at = (revision: number, history = 'h') => ({ history, revision })

async function scene(t: Test, { tls = copilotTls, silence = 5000 }: { tls?: TlsConfig; silence?: number } = {}) {
  const copilot = new Copilot(tls)
  const recorder = new Recorder()
  const config = { url: await copilot.listen(), serverName: 'copilot.service.cf.internal', tls: pilotTls }
  const client = new CopilotClient(config, recorder, createLogger('test', 'silent'), { silence, maxBackoff: 50 })
  t.teardown(async () => {
    await client.stop()
    copilot.close()
  })
  await client.start()
  return { copilot, recorder, client, streams: (count: number) => eventually(() => copilot.streams.length >= count) }
}

test('a snapshot is taken whole, then changes in order', async (t) => {
  const { copilot, recorder, client, streams } = await scene(t)
  await streams(1)
  t.match(client.condition(), { ready: false, reason: 'not connected yet' })
  copilot.send({ snapshot: at(7) }, { records: [process('a', 1)] })
  copilot.send({ records: [process('b', 1)] })
  await eventually(() => recorder.reading.length === 2)
  t.same(recorder.calls, [], 'no half state')
  copilot.send({ synced: at(7) })
  await eventually(() => recorder.calls.length === 1)
  t.match(client.condition(), { ready: true, connected: true, revision: 7 })
  copilot.send({ revision: 8, changes: [process('c', 1)] }, { revision: 9, changes: [{ ...process('a', 1), value: null }] })
  await eventually(() => client.position?.revision === 9)
  t.same(
    recorder.calls.flatMap(([how, keys]) => [how, ...keys]).filter((word, position) => word !== 'apply' || position === 3),
    ['replace', 'a', 'b', 'apply', 'c', '-a'],
  )
  t.same(copilot.asked, ['GET /v1/watch'])
  t.same(copilot.peers, ['pilot.service.cf.internal'])
})

test('changes that come while a snapshot is sent are part of it', async (t) => {
  const { copilot, recorder, client, streams } = await scene(t)
  await streams(1)
  copilot.send({ snapshot: at(7) }, { records: [process('a', 1)] }, { revision: 8, changes: [process('b', 1)] }, { synced: at(8) })
  await eventually(() => client.position?.revision === 8)
  t.same(recorder.calls, [['replace', ['a', 'b']]])
})

test('after a break it resumes behind the last revision that it applied', async (t) => {
  const { copilot, recorder, client, streams } = await scene(t)
  await streams(1)
  copilot.send({ snapshot: at(7) }, { synced: at(7) }, { revision: 8, changes: [process('a', 1)] })
  await eventually(() => client.position?.revision === 8)
  copilot.streams[0]!.destroy()
  await streams(2)
  t.equal(copilot.asked[1], 'GET /v1/watch?history=h&since=8')
  t.equal(client.condition().ready, true, 'what it has stays in force')
  copilot.send({ synced: at(8) }, { revision: 9, changes: [process('b', 1)] })
  await eventually(() => client.position?.revision === 9)
  t.same(recorder.calls, [
    ['replace', []],
    ['apply', ['a']],
    ['apply', ['b']],
  ])
})

test('a snapshot that breaks off is forgotten', async (t) => {
  const { copilot, recorder, client, streams } = await scene(t)
  await streams(1)
  copilot.send({ snapshot: at(7) }, { records: [process('a', 1)] })
  copilot.streams[0]!.end('{"records":[{"kind":"proc')
  await streams(2)
  t.equal(copilot.asked[1], 'GET /v1/watch')
  copilot.send({ snapshot: at(8, 'other') }, { records: [process('b', 1)] }, { synced: at(8, 'other') })
  await eventually(() => client.position?.history === 'other')
  t.same(recorder.calls, [['replace', ['b']]])
  t.equal(recorder.abandoned, 1)
})

for (const [what, garbage] of [
  ['no JSON', 'garbage\n'],
  ['an unknown line', '{"hello":1}\n'],
  ['a number', '5\n'],
  ['a change without a key', '{"revision":8,"changes":[{"kind":"app"}]}\n'],
  ['records outside of a snapshot', '{"records":[]}\n'],
  ['bytes that are no text', '\xff\xfe\0\n'],
] as const) {
  test(`${what} breaks the stream and applies nothing`, async (t) => {
    const { copilot, recorder, client, streams } = await scene(t)
    await streams(1)
    copilot.send({ snapshot: at(7) }, { synced: at(7) })
    await eventually(() => client.position)
    copilot.streams[0]!.write(Buffer.from(garbage, 'latin1'))
    await streams(2)
    t.equal(copilot.asked[1], 'GET /v1/watch?history=h&since=7')
    t.same(recorder.calls, [['replace', []]])
    t.match(client.condition(), { ready: true, connected: false, reason: String })
  })
}

test('a stream that falls silent is given up', async (t) => {
  const { copilot, client, streams } = await scene(t, { silence: 150 })
  await streams(1)
  copilot.send({ snapshot: at(7) }, { synced: at(7) })
  await eventually(() => client.position)
  await streams(2)
  t.equal(copilot.asked[1], 'GET /v1/watch?history=h&since=7')
})

test('an error answer is waited out', async (t) => {
  const { copilot, client, streams } = await scene(t)
  copilot.answer = (_request, response) => response.writeHead(503).end('starting')
  await streams(2)
  t.match(client.condition(), { ready: false, reason: /503: starting/ })
  copilot.answer = () => {}
  const { length } = copilot.streams
  await streams(length + 1)
  copilot.send({ snapshot: at(1) }, { synced: at(1) })
  await eventually(() => client.condition().ready)
})

test('an end that is not copilot is told nothing', async (t) => {
  const { copilot, client } = await scene(t, { tls: impostorTls })
  await eventually(() => /altnames/.test(String(client.condition().reason)))
  t.same(copilot.asked, [])
})

test('a report brings back the orders', async (t) => {
  const { copilot, client } = await scene(t)
  let body = ''
  copilot.answer = (request, response) => {
    if (request.method !== 'PUT') return
    void text(request).then((received) => {
      body = received
      response.end('{"orders":{"acceptSync":"x"}}')
    })
  }
  t.same(await client.report('istio-router', 'router/0', { version: '1', ready: true }), { acceptSync: 'x' })
  t.same(JSON.parse(body), { version: '1', ready: true })
  t.ok(copilot.asked.includes('PUT /v1/components/istio-router/router%2F0'))
  copilot.answer = (request, response) => void (request.method === 'PUT' && response.writeHead(422).end('no'))
  await t.rejects(client.report('pilot', 'p', { version: '1', ready: true }), { code: 'MESH_REPORT_REFUSED' })
})
