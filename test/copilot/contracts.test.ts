import { test } from 'tap'
import { Copilot } from './harness.ts'
import { app, hello } from './records.ts'

test('what a source sends whole is what a watcher gets', async (t) => {
  const copilot = await Copilot.start(t)
  const { status, body } = await copilot.put('e1', hello)
  t.equal(status, 200, JSON.stringify(body))
  t.match(body, { added: hello.length, changed: 0, removed: 0 })

  const { records, revision } = await copilot.snapshot()
  t.equal(revision, body.revision)
  t.strictSame([...records.keys()].sort(), hello.map(({ kind, key }) => `${kind} ${key}`).sort())
})

test('a change reaches a watcher under its own revision', async (t) => {
  const copilot = await Copilot.start(t)
  const { body } = await copilot.put('e1', hello)
  const watch = await copilot.watch()
  await watch.untilSynced()
  const changed = await copilot.change('e1', [app('hello-guid', 'space', 'hi')])
  t.equal(changed.body.revision, body.revision + 1)
  const line = await watch.next()
  t.match(line, { revision: body.revision + 1, changes: [{ kind: 'app', key: 'hello-guid', value: { name: 'hi' } }] })
  watch.close()
})
