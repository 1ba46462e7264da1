import { Type, type Static } from 'typebox'
import { platformKinds, type Change, type PlatformKind } from '../../../mesh/records.ts'
import { requireRole, type RoleNames } from '../../identity.ts'
import { lines } from '../../ndjson.ts'
import { Faults, LineInvalid, SyncMiscounted, SyncTooLarge, SyncUncommitted } from '../../problems.ts'
import { canonical, recordFaults } from '../../records.ts'
import type { Store, StoredChange, StoredRecord, SyncOutcome } from '../../store/store.ts'
import { stream } from '../../stream.ts'
import type { Api } from '../server.ts'

const closed = { additionalProperties: false } as const
const Source = Type.Object(
  { source: Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$', description: 'Name of the source' }) },
  closed,
)
const Epoch = Type.Object(
  { epoch: Type.String({ minLength: 1, maxLength: 200, description: 'Random string that the sender made at its start' }) },
  closed,
)
const Kind = Type.Enum([...platformKinds])
const Key = Type.String({ minLength: 1, maxLength: 2048 })
const Changes = Type.Object(
  {
    changes: Type.Array(
      Type.Object({ kind: Kind, key: Key, value: Type.Unknown({ description: 'The record, or null to remove it' }) }, closed),
      { maxItems: 5000 },
    ),
  },
  closed,
)
const Outcome = Type.Object({ revision: Type.Integer(), added: Type.Integer(), changed: Type.Integer(), removed: Type.Integer() })

export interface SourcesOptions {
  store: Store
  clients: RoleNames
  limits: { records: number; lineBytes: number; stall: number }
  /** Aborts when long answers are to end. */
  signal: AbortSignal
}

/** Contract 1 of docs/architecture.md: what a route-syncer sends and reads back. */
export function sources(api: Api, { store, clients, limits, signal }: SourcesOptions): void {
  api.addHook('onRequest', async (request) => requireRole(request, clients, 'route-syncer'))

  api.post(
    '/v1/sources/:source/changes',
    { schema: { params: Source, querystring: Epoch, body: Changes, response: { 200: Type.Object({ revision: Type.Integer() }) } } },
    (request) => store.change(request.params.source, request.query.epoch, readChanges(request.body)),
  )

  api.get('/v1/sources/:source/records', { schema: { params: Source } }, async (request, reply) => {
    await stream(reply, () => everything(store, request.params.source), { stall: limits.stall, signal })
  })

  void api.register(async (streamed: Api) => {
    streamed.removeAllContentTypeParsers()
    streamed.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
    streamed.put('/v1/sources/:source/records', { schema: { params: Source, querystring: Epoch, response: { 200: Outcome } } }, (request) =>
      replace(
        store,
        request.params.source,
        request.query.epoch,
        (request.body as AsyncIterable<Buffer> | undefined) ?? request.raw,
        limits,
      ),
    )
  })
}

function readChanges({ changes }: Static<typeof Changes>): StoredChange[] {
  const faults = changes.flatMap(({ kind, key, value }, position) =>
    value === null ? [] : recordFaults(kind, key, value).map((fault) => `changes[${position}].${fault}`),
  )
  if (faults.length) throw new Faults(faults)
  return changes.map(({ kind, key, value }) => ({ kind, key, value: value === null ? null : canonical(value) }))
}

/** Stages the records of a stream as they come and commits them with its last line; with any fault, nothing was there. */
async function replace(
  store: Store,
  source: string,
  epoch: string,
  body: AsyncIterable<Buffer>,
  limits: SourcesOptions['limits'],
): Promise<SyncOutcome> {
  const sync = await store.beginSync(source, epoch)
  try {
    let received = 0
    let announced: number | undefined
    for await (const group of lines(body, limits.lineBytes)) {
      const records: StoredRecord[] = []
      for (const { number, text } of group) {
        const parsed = parseLine(number, text)
        if (announced !== undefined) throw LineInvalid(number, 'nothing may follow the commit line')
        if ('commit' in parsed) announced = parsed.commit
        else records.push(parsed.record)
      }
      received += records.length
      if (received > limits.records) throw SyncTooLarge(limits.records)
      if (records.length) await sync.stage(records)
    }
    if (announced === undefined) throw SyncUncommitted()
    if (announced !== received) throw SyncMiscounted(announced, received)
    return await sync.commit()
  } finally {
    await sync.discard()
  }
}

function parseLine(number: number, text: string): { record: StoredRecord } | { commit: number } {
  const where = `line ${number}, `
  let line: Partial<Change> & { commit?: { count?: unknown } }
  try {
    line = JSON.parse(text)
  } catch {
    throw LineInvalid(number, 'is not JSON')
  }
  if (line === null || typeof line !== 'object' || Array.isArray(line)) throw LineInvalid(number, 'must be an object')
  if (line.commit) {
    const { count } = line.commit
    if (!Number.isInteger(count)) throw new Faults(['commit.count: must be integer'], where)
    return { commit: count as number }
  }
  const { kind, key, value, ...others } = line
  const faults = Object.keys(others).map((name) => `${name}: is not a known field`)
  if (!platformKinds.includes(kind as PlatformKind)) faults.push(`kind: must be one of ${platformKinds.join(', ')}`)
  if (typeof key !== 'string' || !key || key.length > 2048) faults.push('key: must be a string of 1 to 2048 characters')
  if (!faults.length) faults.push(...recordFaults(kind as PlatformKind, key!, value))
  if (faults.length) throw new Faults(faults, where)
  return { record: { kind: kind!, key: key!, value: canonical(value) } }
}

/** All that a source has, in the form in which it is sent. */
async function* everything(store: Store, source: string): AsyncGenerator<string> {
  let count = 0
  for (const kind of platformKinds) {
    let after = ''
    for (;;) {
      const records = await store.scan(kind, { source }, { after, limit: 500 })
      if (!records.length) break
      count += records.length
      yield records.map(({ key, value }) => `{"kind":"${kind}","key":${JSON.stringify(key)},"value":${value}}\n`).join('')
      after = records.at(-1)!.key
    }
  }
  yield `${JSON.stringify({ commit: { count } })}\n`
}
