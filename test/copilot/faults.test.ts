import { copyFileSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { Readable } from 'node:stream'
import { connect } from 'node:tls'
import { test } from 'tap'
import { ask, Copilot } from './harness.ts'
import { app, hello } from './records.ts'

test('SIGKILL at any moment: what was answered is there, what was not is whole or absent', async (t) => {
  const copilot = await Copilot.start(t)
  await copilot.put('e1', hello)
  let acknowledged = 0
  const enough = Promise.withResolvers<void>()
  const sending = (async () => {
    for (let n = 1; ; n++) {
      await copilot.change('e1', [app(`pair-${n}-a`), app(`pair-${n}-b`)])
      acknowledged = n
      if (n === 30) enough.resolve()
    }
  })().catch(() => {})
  const half = new Readable({ read() {} })
  const uploading = copilot.send(half, 'e1').catch(() => {})
  half.push(`${JSON.stringify(app('half'))}\n`)
  await enough.promise
  await copilot.kill('SIGKILL')
  half.push(null)
  await Promise.all([sending, uploading])

  await copilot.start()
  const { records } = await copilot.snapshot()
  for (let n = 1; n <= acknowledged; n++) t.ok(records.has(`app pair-${n}-a`) && records.has(`app pair-${n}-b`))
  t.equal(
    [...records.keys()].filter((key) => key.endsWith('-a')).length,
    [...records.keys()].filter((key) => key.endsWith('-b')).length,
    'no transaction by half',
  )
  t.notOk(records.has('app half'))
  t.strictSame(
    readdirSync(dirname(copilot.file)).filter((name) => name.includes('-sync-')),
    [],
    'nothing is left of the upload',
  )
  t.equal((await copilot.change('e1', [app('after')])).status, 200)
})

test('a full store refuses changes whole, and reads and watches go on', async (t) => {
  const copilot = await Copilot.start(t, { store: { maxMegabytes: 1 } })
  await copilot.put('e1', hello)
  const watch = await copilot.watch()
  await watch.untilSynced()
  const { revision } = watch
  const large = Array.from({ length: 2000 }, (_, n) => app(`large-${n}`, 'space', 'x'.repeat(1000)))

  t.match(await copilot.put('e1', large), { status: 507, body: { code: 'MESH_STORE_FULL' } })
  t.match(await copilot.change('e1', large), { status: 507, body: { code: 'MESH_STORE_FULL' } })
  t.equal((await copilot.snapshot()).revision, revision)
  t.equal((await copilot.get('/v1/routes')).body.items.length, 1)
  const ready = await fetch(`${copilot.health}/ready`)
  t.equal(ready.status, 503)
  t.match(await ready.json(), { conditions: { store: { reason: /no space left/ } } })
  t.match(
    await (await fetch(`${copilot.health}/metrics`)).text(),
    /mesh_copilot_store_errors_total\{code="MESH_STORE_FULL",component="copilot"\} 2/,
  )

  const rule = {
    apiVersion: 'networking.istio.io/v1',
    kind: 'DestinationRule',
    metadata: { name: 'hello', namespace: 'dev' },
    spec: { host: 'hello' },
  }
  const tried = { documents: [rule], namespace: 'dev', dryRun: true }
  t.match(await ask('POST', `${copilot.api}/v1/resources/apply`, tried), { status: 200, body: { items: [{ outcome: 'created' }] } })
  t.equal((await fetch(`${copilot.health}/ready`)).status, 503, 'what was only tried says nothing of the store')

  t.match(await copilot.change('e1', [app('small')]), { status: 200, body: { revision: revision + 1 } }, 'what fits is taken')
  t.match(await watch.next(), { revision: revision + 1 })
  t.equal((await fetch(`${copilot.health}/ready`)).status, 200)
  watch.close()
})

test('a damaged store ends the start with a sentence', async (t) => {
  const copilot = await Copilot.start(t)
  await copilot.kill('SIGTERM')
  writeFileSync(copilot.file, 'not a database at all, but a text of some length '.repeat(100))
  await t.rejects(copilot.start(), {
    message:
      /cannot start: .*copilot.db is not a usable copilot database \(file is not a database\). It was left as it is: restore a backup/,
  })
})

test('a store takes one copilot', async (t) => {
  const first = await Copilot.start(t)
  const second = new Copilot()
  t.teardown(() => second.remove())
  await t.rejects(second.start({ store: { file: first.file } }), { message: /another process has .* open/ })
  t.equal((await first.put('e1', hello)).status, 200)
})

test('certificates are read again when their files change', async (t) => {
  const copilot = await Copilot.start(t)
  const before = await certificateOf(copilot)
  const { certificate, key } = copilot.tls('renewed', 'copilot.service.cf.internal')
  copyFileSync(key, `${copilot.folder}/copilot.key.pem`)
  copyFileSync(certificate, `${copilot.folder}/copilot.certificate.pem`)
  while ((await certificateOf(copilot)) === before) await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal((await copilot.put('e1', hello)).status, 200)
})

async function certificateOf(copilot: Copilot): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(copilot.url).port), ...copilot.client('pilot') })
  await new Promise<void>((resolve) => socket.once('secureConnect', () => resolve()))
  const { fingerprint256 } = socket.getPeerCertificate()
  socket.destroy()
  return fingerprint256
}
