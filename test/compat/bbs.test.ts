import { fromBinary, toJson, type DescMessage } from '@bufbuild/protobuf'
import { test, type Test } from 'tap'
import { createLogger } from '../../src/common/log.ts'
import {
  ActualLRPLifecycleResponseSchema,
  ActualLRPsResponseSchema,
  DesiredLRPLifecycleResponseSchema,
  DesiredLRPsResponseSchema,
  DomainsResponseSchema,
  UpsertDomainResponseSchema,
  type ActualLRP,
  type DesiredLRP,
} from '../../src/common/proto/gen/bbs_pb.js'
import { Bbs as FoundationBbs } from '../../src/foundation/diego/bbs/bbs.ts'
import { BbsServer } from '../../src/foundation/diego/bbs/server.ts'
import { Bbs } from '../../src/platform/bbs/client.ts'
import type { BbsEvent } from '../../src/platform/bbs/events.ts'
import { eventually, server as serverTls } from '../foundation/diego/harness.ts'
import { RawStream, send, subscribe } from '../foundation/diego/wire.ts'
import { FakeBbs } from '../platform/support/bbs.ts'
import { tlsFiles } from '../platform/support/certificates.ts'
import { recording } from './recording.ts'

interface Line {
  step: string
  path: string
  /** Base64, as all bytes here. */
  request: string
  answer: string[]
}

const { heading, lines } = recording<Line>('bbs')
const title = `${heading.program} ${heading.version}, recorded ${heading.date}`
const eventsPath = '/v1/events/lrp_instances.r1'
const answerOf = ({ answer }: Line): Buffer => Buffer.concat(answer.map((bytes) => Buffer.from(bytes, 'base64')))
const steps = [...new Set(lines.map(({ step }) => step))]

/** Our client before a server that gives a step's answers byte for byte. */
async function client(t: Test, step: string): Promise<Bbs> {
  const server = await new FakeBbs().listen()
  for (const line of lines) if (line.step === step || line.path === eventsPath) server.answers.set(line.path, answerOf(line))
  const bbs = new Bbs({ addresses: [server.url], tls: tlsFiles('route-syncer.service.cf.internal'), serverName: 'bbs.service.cf.internal' })
  t.teardown(async () => {
    await bbs.close()
    await server.close()
  })
  return bbs
}

type State = Map<string, string>

const desiredKey = ({ processGuid }: DesiredLRP): string => processGuid
const actualKey = ({ actualLrpKey }: ActualLRP): string => `${actualLrpKey!.processGuid}/${actualLrpKey!.index}`
const summaryOfDesired = ({ instances, routes, modificationTag }: DesiredLRP): string =>
  JSON.stringify({ instances, routes: Buffer.from(routes?.routes['cf-router'] ?? []).toString(), tag: modificationTag?.index })
const summaryOfActual = ({ state, actualLrpInstanceKey, actualLrpNetInfo, routable, modificationTag }: ActualLRP): string =>
  JSON.stringify({
    state,
    instance: actualLrpInstanceKey?.instanceGuid ?? '',
    ports: actualLrpNetInfo?.ports.map(({ hostTlsProxyPort }) => hostTlsProxyPort) ?? [],
    routable: routable ?? null,
    tag: modificationTag?.index,
  })

function apply(state: State, event: BbsEvent): State {
  const next = new Map(state)
  if (event.kind === 'desired') next.set(desiredKey(event.lrp), summaryOfDesired(event.lrp))
  else if (event.kind === 'desired-removed') next.delete(desiredKey(event.lrp))
  else if (event.kind === 'actual') next.set(actualKey(event.lrp), summaryOfActual(event.lrp))
  else next.delete(actualKey(event.lrp))
  return next
}

const shown = (state: State): string => JSON.stringify([...state].toSorted(([a], [b]) => (a < b ? -1 : 1)))

test(`our client reads a real BBS (${title})`, async (t) => {
  const events: BbsEvent[] = []
  const ended = await (
    await client(t, 'open')
  )
    .follow({ signal: new AbortController().signal, onOpen: () => {}, onEvent: (event) => events.push(event) })
    .catch((error: Error) => error)
  t.match(ended, { code: 'MESH_BBS_STREAM_ENDED' }, 'every event was read, to the end of the recording')
  t.match(
    answerOf(lines.find(({ path }) => path === eventsPath)!).toString('latin1'),
    /\r\n\r\n[0-9a-f]+;\r\n/,
    'though its chunk headers have an empty extension',
  )

  // The lists of each step are a state that the events lead to, in the order of the steps.
  const states = events.reduce((all, event) => [...all, apply(all.at(-1)!, event)], [new Map() as State])
  let at = 0
  for (const step of steps) {
    const bbs = await client(t, step)
    const listed: State = new Map()
    for await (const lrp of bbs.desiredLrps()) listed.set(desiredKey(lrp), summaryOfDesired(lrp))
    for await (const lrp of bbs.actualLrps()) listed.set(actualKey(lrp), summaryOfActual(lrp))
    const found = states.findIndex((state, index) => index >= at && shown(state) === shown(listed))
    t.ok(found >= at, `after "${step}" lists and events agree`)
    at = Math.max(at, found)
    t.same([...(await bbs.freshDomains())], step === 'open' ? [] : ['mesh-compat'], 'the domain is fresh')
  }
  t.equal(at, states.length - 1, 'nothing comes after the last list')
})

const lists: Record<string, DescMessage> = {
  '/v1/domains/list': DomainsResponseSchema,
  '/v1/domains/upsert': UpsertDomainResponseSchema,
  '/v1/desired_lrp_routing_infos/list': DesiredLRPsResponseSchema,
  '/v1/actual_lrps/list': ActualLRPsResponseSchema,
}

/**
 * A message without what is another at each run, and without what the foundation has no use for, as the action of an LRP; lists have no
 * order.
 */
function comparable(schema: DescMessage, bytes: Uint8Array): unknown {
  const json = JSON.parse(JSON.stringify(toJson(schema, fromBinary(schema, bytes))), varying) as {
    actualLrps?: { actualLrpKey: { index?: number } }[]
  }
  json.actualLrps?.sort((a, b) => (a.actualLrpKey.index ?? 0) - (b.actualLrpKey.index ?? 0))
  return json
}

function varying(name: string, value: unknown): unknown {
  if (['since', 'epoch', 'traceId', '$unknown'].includes(name)) return undefined
  return typeof value === 'bigint' ? String(value) : value
}

test(`the foundation's BBS answers and tells what a real one did (${title})`, async (t) => {
  // As in the recording, a cell that is there and never does what it is told.
  const cells = { presences: () => [], place: () => {}, stopInstance: () => true, updated: () => {} }
  const server = new BbsServer({
    bbs: new FoundationBbs(cells),
    listen: { host: '127.0.0.1', port: 0 },
    tls: serverTls,
    log: createLogger('bbs', 'silent'),
  })
  await server.start()
  t.teardown(() => server.stop())
  const stream = await subscribe(server.port)
  t.teardown(() => stream.close())

  for (const line of lines.filter(({ path }) => path !== eventsPath)) {
    const { step, path } = line
    const { status, headers, body } = await send(server.port, path, { body: Buffer.from(line.request, 'base64') })
    const real = parsed(answerOf(line))
    const schema = lists[path] ?? (path.includes('desired') ? DesiredLRPLifecycleResponseSchema : ActualLRPLifecycleResponseSchema)
    t.equal(status, real.status, `${step}: ${path}`)
    t.equal(headers['content-type'], real.type)
    t.same(comparable(schema, body), comparable(schema, real.body), `${step}: the same answer of ${path}`)
  }

  const real = realStream()
  await eventually('every event', () => stream.names.length >= real.names.length)
  t.same(stream.names, real.names, 'the same events in the same order')
  const told = (messages: RawStream['messages']): unknown => JSON.parse(JSON.stringify(messages, varying))
  t.same(told(stream.messages), told(real.messages), 'with the same content')
  t.same(
    stream.chunks.map(({ header }) => header.endsWith(';')),
    real.chunks.map(({ header }) => header.endsWith(';')),
    'in the same chunks',
  )
})

/** The recorded event stream, taken apart as the foundation's is. */
function realStream(): RawStream {
  const stream = Object.create(RawStream.prototype) as RawStream
  stream.text = answerOf(lines.find(({ path }) => path === eventsPath)!).toString('latin1')
  return stream
}

/** A recorded answer with a length. */
function parsed(bytes: Buffer): { status: number; type: string | undefined; body: Buffer } {
  const end = bytes.indexOf('\r\n\r\n')
  const head = bytes.toString('latin1', 0, end)
  return { status: Number(head.split(' ')[1]), type: /^content-type: (.*)$/im.exec(head)?.[1]?.trim(), body: bytes.subarray(end + 4) }
}
