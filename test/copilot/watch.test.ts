import { once } from 'node:events'
import { connect, type TLSSocket } from 'node:tls'
import tap, { test } from 'tap'
import { Copilot, type Watch } from './harness.ts'
import { app, hello, route } from './records.ts'
import { eventually } from '../support/wait.ts'

const copilot = await Copilot.start(tap, { limits: { stallSeconds: 1.5 }, store: { retention: 20 } })

const many = (count: number, label: string): Generator<object> =>
  (function* () {
    for (let n = 0; n < count; n++) yield route(`h${n}.mesh.test`, 'hello-guid', ['hello-p'], { labels: { label } })
  })()

const stateOf = (watch: { records: Map<string, string> }): string[] => [...watch.records].map(String).sort()

test('a watcher resumes by its last revision and is sent only what followed', async (t) => {
  await copilot.put('e1', hello)
  const first = await copilot.watch()
  await first.untilSynced()
  first.close()
  const { body } = await copilot.change('e1', [app('more')])

  const again = await copilot.watch(`?history=${first.history}&since=${first.revision}`)
  t.match(await again.next(), { revision: body.revision, changes: [{ kind: 'app', key: 'more' }] })
  t.match(await again.next(), { synced: { history: first.history, revision: body.revision } })
  again.close()

  const idle = await copilot.watch(`?history=${first.history}&since=${body.revision}`)
  t.match(await idle.next(), { synced: { revision: body.revision } }, 'with nothing new it is synced at once')
  idle.close()
})

test('a watcher of another history, of the future, or of long ago begins with a snapshot', async (t) => {
  await copilot.put('e1', hello)
  const { history, revision } = await copilot.snapshot()
  for (let n = 0; n < 15; n++) {
    await copilot.change('e1', [app(`blink${n}`)])
    await copilot.change('e1', [{ kind: 'app', key: `blink${n}`, value: null }])
  }
  await copilot.change('e1', [app('blink')])
  for (const query of [
    `?history=other&since=${revision}`,
    `?history=${history}&since=999999`,
    `?history=${history}&since=${revision}`,
    `?since=${revision}`,
    `?history=${history}`,
  ]) {
    const watch = await copilot.watch(query)
    t.ok((await watch.next()).snapshot, query)
    await watch.untilSynced()
    t.ok(watch.records.has('app blink'))
    watch.close()
  }
  await t.rejects(copilot.watch('?since=-1'), /must be >= 0/)
  await t.rejects(copilot.watch('?since=x'), /must be integer/)
})

test('several watchers come to the same state while everything changes', async (t) => {
  await copilot.put('e1', many(2000, 'a'))
  const watches = await Promise.all([copilot.watch(), copilot.watch(), copilot.watch()])
  const settled = Promise.all(watches.map((watch) => watch.untilSynced()))
  for (let n = 0; n < 10; n++) {
    await copilot.change('e1', [
      route(`h${n}.mesh.test`, 'hello-guid', [], { labels: { label: 'b' } }),
      { kind: 'route', key: `pub/h${1990 + n}.mesh.test`, value: null },
    ])
  }
  const { body } = await copilot.put('e1', many(1500, 'c'))
  await settled
  for (const watch of watches) if (watch.revision < body.revision) await watch.untilSynced(body.revision)
  const { records } = await copilot.snapshot()
  t.equal(records.size, 1500)
  for (const watch of watches) {
    t.strictSame(stateOf(watch), stateOf({ records }))
    watch.close()
  }
})

test('a watcher that reads nothing is cut off, holds no memory, and others go on', async (t) => {
  await copilot.put('e1', many(20_000, 'x'.repeat(500)))
  const busy = await copilot.watch()
  await busy.untilSynced()

  const idle = await rawWatch(copilot)
  idle.pause()
  const closed = once(idle, 'close')
  await watching(copilot, 2)
  const { body } = await copilot.change('e1', [app('meanwhile')])
  await busy.untilSynced(body.revision)
  t.ok(busy.records.has('app meanwhile'))
  await watching(copilot, 1)
  await eventually(() => /it took nothing for 1.5 s/.test(copilot.output))
  idle.resume()
  await closed
  busy.close()
})

test('a stop ends watches whole, and a new process goes on where the old one was', async (t) => {
  await copilot.put('e1', hello)
  const watch = await copilot.watch()
  await watch.untilSynced()
  const ended = ending(watch)
  t.equal(await copilot.kill('SIGTERM'), 0)
  await ended

  await copilot.start()
  const again = await copilot.watch(`?history=${watch.history}&since=${watch.revision}`)
  t.match(await again.next(), { synced: { history: watch.history, revision: watch.revision } })
  t.equal((await copilot.change('e1', [])).status, 200, 'and asks for no full sync')
  again.close()
})

async function ending(watch: Watch): Promise<void> {
  for (;;) {
    try {
      await watch.next()
    } catch {
      return
    }
  }
}

/** Waits until copilot has so many watchers. */
async function watching(copilot: Copilot, count: number): Promise<void> {
  while ((await copilot.get('/v1/status')).body.watchers.length !== count) await new Promise((resolve) => setTimeout(resolve, 10))
}

/** A watch whose bytes nobody takes. */
async function rawWatch(copilot: Copilot): Promise<TLSSocket> {
  const { cert, key, ca } = copilot.client('pilot')
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(copilot.url).port), cert, key, ca })
  await once(socket, 'secureConnect')
  socket.on('error', () => {})
  socket.write('GET /v1/watch HTTP/1.1\r\nhost: copilot\r\n\r\n')
  return socket
}
