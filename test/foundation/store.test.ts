import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { Store, type RowChange } from '../../src/foundation/store/store.ts'

const organization = (name: string) => ({ name, suspended: false, labels: {}, annotations: {} })

test('a transaction that throws leaves nothing behind, in memory or on disk', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'store-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const store = new Store(join(folder, 'db'))
  const heard: RowChange[] = []
  store.onCommit((changes) => heard.push(...changes))
  const kept = store.transaction(() => store.organizations.insert(organization('kept')))
  const gone = store.transaction(() => store.organizations.insert(organization('gone')))
  t.throws(
    () =>
      store.transaction(() => {
        store.organizations.insert(organization('new'))
        store.organizations.update(kept.guid, { name: 'changed' })
        store.organizations.update(kept.guid, { name: 'changed again' })
        store.organizations.remove(gone.guid)
        store.transaction(() => store.organizations.insert(organization('inner')))
        throw new Error('no')
      }),
    /no/,
  )
  const check = (state: Store) => {
    t.equal(state.organizations.size, 2)
    t.equal(state.organizations.first('name', 'kept')?.guid, kept.guid)
    t.equal(state.organizations.first('name', 'gone')?.guid, gone.guid)
    for (const name of ['new', 'changed', 'changed again', 'inner']) t.equal(state.organizations.first('name', name), undefined, name)
  }
  check(store)
  t.equal(heard.length, 2)
  store.close()
  const again = new Store(join(folder, 'db'))
  check(again)
  t.ok(again.transaction(() => again.organizations.insert(organization('later'))).seq > gone.seq, 'order goes on')
  again.close()
  t.end()
})

test('indices follow every change', (t) => {
  const store = new Store(':memory:')
  t.throws(() => store.organizations.insert(organization('x')), /outside a transaction/)
  t.equal(store.organizations.size, 0)
  const route = store.transaction(() =>
    store.routes.insert({
      host: 'a',
      path: '',
      domain: 'd',
      space: 's',
      options: {},
      destinations: [],
      sharedSpaces: ['t'],
      labels: {},
      annotations: {},
    }),
  )
  const other = store.transaction(() => store.routes.insert({ ...route, guid: 'other', host: 'b', sharedSpaces: [] }))
  t.same(
    store.routes.by('space', 's').map(({ guid }) => guid),
    [route.guid, other.guid],
  )
  t.same(store.routes.by('space', 't'), [route])
  t.same(store.routes.by('owner', 't'), [])
  store.transaction(() => store.routes.update(route.guid, { space: 'u', sharedSpaces: [] }))
  t.same(store.routes.by('space', 's'), [other])
  t.equal(store.routes.count('space', 't'), 0)
  store.transaction(() => store.routes.remove(other.guid))
  t.equal(store.routes.count('domain', 'd'), 1)
  store.close()
  t.end()
})
