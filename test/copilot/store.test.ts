import * as fc from 'fast-check'
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'tap'
import { createLogger } from '../../src/common/log.ts'
import { kinds, type Kind } from '../../src/mesh/records.ts'
import { SqliteStore } from '../../src/copilot/store/sqlite.ts'
import { feed } from '../../src/copilot/watch.ts'
import { migrate } from '../../src/copilot/store/migrations.ts'
import { Writer } from '../../src/copilot/store/writer.ts'
import type { Store, StoredRecord } from '../../src/copilot/store/store.ts'

const silent = createLogger('copilot', 'silent')

type State = Map<string, string>

interface Scope {
  teardown(clean: () => unknown): unknown
}

async function openStore(
  t: Scope,
  { retention = 100_000, folder = mkdtempSync(join(tmpdir(), 'mesh-store-')) } = {},
): Promise<{ store: SqliteStore; folder: string; file: string }> {
  const file = join(folder, 'copilot.db')
  const store = new SqliteStore({ file, retention }, silent)
  await store.start()
  t.teardown(async () => {
    await store.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  return { store, folder, file }
}

async function replace(store: Store, records: StoredRecord[], { source = 'cf', epoch = 'e' } = {}) {
  const sync = await store.beginSync(source, epoch)
  // In parts, as a stream comes.
  for (let at = 0; at < records.length; at += 3) await sync.stage(records.slice(at, at + 3))
  return sync.commit()
}

/** Follows the store from a revision on, as a watcher does. */
async function follow(store: Store, state: State, revision: number): Promise<number> {
  for (;;) {
    const revisions = await store.changesAfter(revision)
    if (!revisions) throw new Error(`revision ${revision} is forgotten`)
    if (!revisions.length) return revision
    for (const { revision: next, changes } of revisions) {
      if (next <= revision) throw new Error('revisions are out of order')
      revision = next
      for (const { kind, key, value } of changes) {
        if (value === null) state.delete(`${kind} ${key}`)
        else state.set(`${kind} ${key}`, value)
      }
    }
  }
}

async function whole(store: Store): Promise<State> {
  const state: State = new Map()
  for (const kind of kinds)
    for (const { key, value } of await store.scan(kind, { upTo: Number.MAX_SAFE_INTEGER }, { after: '', limit: 1e6 }))
      state.set(`${kind} ${key}`, value)
  return state
}

const sorted = (state: State): [string, string][] => [...state].sort(([a], [b]) => (a < b ? -1 : 1))
const toRecords = (state: Record<string, number>): StoredRecord[] =>
  Object.entries(state).map(([name, value]) => ({
    kind: kinds[name.charCodeAt(0) % kinds.length] as Kind,
    key: name,
    value: `{"name":"${value}"}`,
  }))

const names = Array.from('abcdefghijkl')
const someState = fc.dictionary(fc.constantFrom(...names), fc.integer({ min: 0, max: 2 }), { maxKeys: 12 })

test('a full sync makes exactly the difference, and a watcher at any revision comes to the same state', async (t) => {
  const { store } = await openStore(t)
  let before: Record<string, number> = {}
  const followed: State = new Map()
  let revision = await follow(store, followed, 0)
  await fc.assert(
    fc.asyncProperty(someState, async (after) => {
      const names = new Set([...Object.keys(before), ...Object.keys(after)])
      const expected = { added: 0, changed: 0, removed: 0 }
      for (const name of names) {
        if (!(name in before)) expected.added++
        else if (!(name in after)) expected.removed++
        else if (before[name] !== after[name]) expected.changed++
      }
      const outcome = await replace(store, toRecords(after))
      const { added, changed, removed } = outcome
      t.strictSame({ added, changed, removed }, expected)
      t.equal(outcome.revision > revision, added + changed + removed > 0, 'only a difference makes a revision')

      const revisions = (await store.changesAfter(revision))!
      t.equal(
        revisions.flatMap(({ changes }) => changes).length,
        added + changed + removed,
        'the revision has the difference and nothing else',
      )
      revision = await follow(store, followed, revision)
      t.equal(revision, outcome.revision)
      t.strictSame(sorted(followed), sorted(await whole(store)))
      t.strictSame(sorted(followed), sorted(new Map(toRecords(after).map(({ kind, key, value }) => [`${kind} ${key}`, value]))))
      for (const from of [0, Math.floor(revision / 2)]) {
        const late: State = new Map()
        await follow(store, late, from)
        for (const [name, value] of late) t.equal(followed.get(name), value, 'what a late watcher is told is so now')
      }
      before = after
    }),
    { numRuns: 30 },
  )
  const counts = Object.values(store.state.records).reduce((sum, n) => sum + n, 0)
  t.equal(counts, Object.keys(before).length, 'the counts are kept')
})

test('random changes and full syncs of two sources: each removes only what is its own', async (t) => {
  const { store } = await openStore(t)
  await replace(store, [], { source: 'a' })
  await replace(store, [], { source: 'b' })
  const owner = new Map<string, { source: string; value: string }>()
  const operation = fc.record({
    source: fc.constantFrom('a', 'b'),
    whole: fc.option(someState),
    name: fc.constantFrom(...names),
    value: fc.option(fc.integer({ min: 0, max: 2 })),
  })
  await fc.assert(
    fc.asyncProperty(operation, async ({ source, whole: state, name, value }) => {
      if (state) {
        await replace(store, toRecords(state), { source })
        for (const [name, record] of owner) if (record.source === source) owner.delete(name)
        for (const { kind, key, value } of toRecords(state)) owner.set(`${kind} ${key}`, { source, value })
      } else {
        const [{ kind, key, value: text }] = toRecords({ [name]: value ?? 0 }) as [StoredRecord]
        await store.change(source, 'e', [{ kind, key, value: value === null ? null : text }])
        const at = `${kind} ${key}`
        if (value !== null) owner.set(at, { source, value: text })
        else if (owner.get(at)?.source === source) owner.delete(at)
      }
      t.strictSame(sorted(await whole(store)), sorted(new Map([...owner].map(([name, { value }]) => [name, value]))))
    }),
    { numRuns: 40 },
  )
})

test('a large transaction takes several revisions, none of more than a thousand changes', async (t) => {
  const { store } = await openStore(t)
  const records = Array.from({ length: 2500 }, (_, n): StoredRecord => ({ kind: 'app', key: `a${n}`, value: '{}' }))
  const { revision } = await replace(store, records)
  t.equal(revision, 3)
  const state: State = new Map()
  t.equal(await follow(store, state, 0), 3)
  t.equal(state.size, 2500)
  for (const { changes } of (await store.changesAfter(0))!) t.ok(changes.length <= 1000)

  t.equal(
    (
      await store.change(
        'cf',
        'e',
        records.map((record) => ({ ...record, value: null })),
      )
    ).revision,
    6,
  )
  await follow(store, state, 3)
  t.equal(state.size, 0)
})

test('what others refer to comes before them, and goes after them', async (t) => {
  const { store } = await openStore(t)
  const records = (['route', 'app'] as const).flatMap((kind) =>
    Array.from({ length: 1000 }, (_, n): StoredRecord => ({ kind, key: `${kind}${n}`, value: '{}' })),
  )
  const kindsOf = async (revision: number): Promise<unknown> => (await store.changesAfter(revision))![0]!.changes[0]!.kind
  await replace(store, records)
  t.equal(await kindsOf(0), 'app')
  t.equal(await kindsOf(1), 'route')
  await replace(store, [])
  t.equal(await kindsOf(2), 'route')
  t.equal(await kindsOf(3), 'app')
})

test('removals beyond the retention are forgotten, and then only a snapshot helps', async (t) => {
  const { store, file } = await openStore(t, { retention: 5 })
  await replace(store, [])
  for (let n = 0; n < 10; n++) {
    await store.change('cf', 'e', [{ kind: 'app', key: `a${n}`, value: '{}' }])
    await store.change('cf', 'e', [{ kind: 'app', key: `a${n}`, value: null }])
  }
  const reader = new DatabaseSync(file, { readOnly: true })
  const kept = (): number => (reader.prepare('select count(*) as n from records').get() as { n: number }).n
  while (kept() > 3) await new Promise((resolve) => setTimeout(resolve, 5))
  reader.close()
  t.equal(await store.changesAfter(2), undefined)
  t.equal(await store.changesAfter(store.state.revision + 1), undefined, 'nor for a revision that never was')
  const late: State = new Map([['app a9', '{}']])
  await follow(store, late, store.state.revision - 1)
  t.equal(late.size, 0, 'a watcher within the retention resumes')
})

test('the history, revision and epoch survive a restart; a restored backup begins another history', async (t) => {
  const first = await openStore(t)
  await replace(first.store, [{ kind: 'app', key: 'a', value: '{}' }])
  const { history, revision } = first.store.state
  await first.store.stop()

  const again = new SqliteStore({ file: first.file, retention: 10 }, silent)
  await again.start()
  t.strictSame([again.state.history, again.state.revision, again.state.records.app], [history, revision, 1])
  t.ok(await again.change('cf', 'e', []), 'no new full sync is needed')
  await again.stop()

  const database = new DatabaseSync(first.file)
  database.exec('update store set history = null')
  database.close()
  const restored = new SqliteStore({ file: first.file, retention: 10 }, silent)
  await restored.start()
  t.not(restored.state.history, history)
  await t.rejects(restored.change('cf', 'e', []), { code: 'MESH_EPOCH_UNKNOWN' })
  await restored.stop()
})

test('a watch beats while nothing changes, and ends when it is told to', async (t) => {
  const { store } = await openStore(t)
  const stop = new AbortController()
  const lines: string[] = []
  for await (const line of feed(store, 0, () => {}, stop.signal, 20)) {
    lines.push(line)
    if (lines.length === 3) stop.abort()
  }
  t.strictSame(
    lines.map((line) => JSON.parse(line)),
    Array.from({ length: 3 }, () => ({ synced: { history: store.state.history, revision: 0 } })),
  )
})

test('a migration that fails leaves the schema before it, whole', (t) => {
  const database = new DatabaseSync(':memory:')
  migrate(database, 'x', ['create table one (a)'])
  t.throws(() => migrate(database, 'x', ['create table one (a)', 'create table two (a); create table one (a)']))
  const tables = database
    .prepare('select name from sqlite_schema')
    .all()
    .map((row) => row['name'])
  t.strictSame(tables, ['one'])
  t.equal(database.prepare('pragma user_version').get()!['user_version'], 1)
  migrate(database, 'x', ['create table one (a)', 'create table two (a)'])
  t.throws(() => migrate(database, 'x', ['create table one (a)']), { code: 'MESH_STORE_TOO_NEW' })
  t.end()
})

for (const [what, spoil, says] of [
  [
    'no database',
    (file: string) => writeFileSync(file, 'not a database at all, but a text of some length '.repeat(100)),
    { code: 'MESH_STORE_UNUSABLE', message: /file is not a database/ },
  ],
  ['cut off', (file: string) => truncateSync(file, statSync(file).size - 8192), { code: 'MESH_STORE_UNUSABLE' }],
  ['damaged inside', (file: string) => overwrite(file, 4096 * 3), { code: 'MESH_STORE_UNUSABLE' }],
  [
    'of a newer schema',
    (file: string) => exec(file, 'pragma user_version = 99'),
    { code: 'MESH_STORE_TOO_NEW', message: /has schema 99, this copilot knows up to \d+: run the newer copilot/ },
  ],
  [
    'of another program',
    (file: string) => exec(file, 'pragma application_id = 7'),
    { code: 'MESH_STORE_UNUSABLE', message: /it belongs to another program/ },
  ],
] as const) {
  test(`a store that is ${what} is refused and left as it is`, (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'mesh-store-'))
    t.teardown(() => rmSync(folder, { recursive: true }))
    const options = { file: join(folder, 'copilot.db'), retention: 10 }
    const writer = new Writer(options)
    const sync = writer.beginSync('cf', 'e')
    writer.stage(
      sync,
      Array.from({ length: 300 }, (_, n): StoredRecord => ({
        kind: 'app',
        key: `app-${n}`,
        value: JSON.stringify({ name: 'x'.repeat(200) }),
      })),
    )
    writer.commitSync(sync)
    writer.close()
    spoil(options.file)
    const content = readFileSync(options.file)
    t.throws(() => new Writer(options), says)
    t.ok(content.equals(readFileSync(options.file)))
    t.end()
  })
}

function exec(file: string, sql: string): void {
  const database = new DatabaseSync(file)
  database.exec(sql)
  database.close()
}

function overwrite(file: string, from: number): void {
  const content = readFileSync(file)
  content.fill(0x5a, from, from + 4096)
  writeFileSync(file, content)
}

test('a listener of commits that fails is no failure of the commit', async (t) => {
  const { store } = await openStore(t)
  let told = 0
  store.onCommit(() => {
    throw new Error('failed')
  })
  store.onCommit(() => told++)
  const { revision } = await replace(store, [{ kind: 'app', key: 'a', value: '{}' }])
  t.equal(store.state.revision, revision)
  t.equal(told, 1, 'and the others are told')
})
