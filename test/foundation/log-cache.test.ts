import { test } from 'tap'
import { Harness } from './harness.ts'

test('log lines are read as log cache gives them', async (t) => {
  const harness = await Harness.start(t)
  const admin = await harness.login()
  const { space } = await harness.target(admin)
  const app = await harness.push(admin, space, 'web')
  for (const message of ['one', 'two', 'three'])
    harness.diego.emitLog({ appGuid: app, instance: '0', sourceType: 'APP/PROC/WEB', message, type: 'OUT' })
  const read = async (query: string) => {
    const { status, body } = await admin('GET', `${harness.logCache}/api/v1/read/${app}${query}`)
    return status === 200 ? body.envelopes.batch : status
  }
  const lines = (batch: any[]) => batch.map(({ log }) => Buffer.from(log.payload, 'base64').toString())
  const newest = await read('?descending=true&limit=2&envelope_types=LOG')
  t.same(lines(newest), ['three', 'two'])
  t.match(newest[0], {
    source_id: app,
    instance_id: '0',
    tags: { source_type: 'APP/PROC/WEB' },
    log: { type: 'OUT' },
    timestamp: /^\d{19}$/,
  })
  t.same(lines(await read(`?start_time=${newest[0].timestamp}`)), ['three'])
  t.same(await read('?envelope_types=TIMER'), [])
  t.equal(await read('?limit=5000'), 400)
  t.equal(await read('?start_time=soon'), 400)
  t.equal((await admin('GET', `${harness.logCache}/api/v1/read/nowhere`)).status, 404)
  t.equal((await harness.session('garbage')('GET', `${harness.logCache}/api/v1/read/${app}`)).status, 404)
  t.match((await admin('GET', `${harness.logCache}/api/v1/info`)).body, { version: /^\d+\.\d+/ })
})
