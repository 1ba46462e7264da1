import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { finished } from 'node:stream/promises'
import { test } from 'tap'
import { LogStore } from '../../../src/foundation/diego/logs.ts'
import { identityAuthority } from '../../../src/foundation/diego/runner/identity.ts'
import { limitRate, readLines } from '../../../src/foundation/diego/container/lines.ts'

const line = (message: string, appGuid = 'app') => ({ appGuid, instance: '0', sourceType: 'APP/PROC/WEB', message, type: 'OUT' as const })

test('logs are read by time, from either end', (t) => {
  const store = new LogStore()
  for (let n = 0; n < 10; n++) store.append(line(`${n}`))
  store.append(line('of another', 'other'))
  const messages = (query: Parameters<LogStore['read']>[1]): string =>
    store
      .read('app', query)
      .map(({ message }) => message)
      .join('')
  const stamps = store.read('app', {}).map(({ timestamp }) => timestamp)
  t.equal(new Set(stamps).size, 10, 'no two at one time')
  t.equal(messages({}), '0123456789')
  t.equal(messages({ limit: 3 }), '012')
  t.equal(messages({ limit: 3, descending: true }), '987')
  t.equal(messages({ startTime: stamps[4]!, endTime: stamps[7]! }), '456', 'the end is not included')
  t.same(store.read('none', {}), [])
  t.end()
})

test('the oldest lines of an app give way, and so do apps that have been silent', (t) => {
  const store = new LogStore()
  for (let n = 0; n < 10_000; n++) store.append(line(`${n}`))
  const kept = store.read('app', { limit: 100_000 })
  t.equal(kept.length, 2000)
  t.equal(kept.at(-1)!.message, '9999')
  for (let n = 0; n < 1000; n++) store.append(line('x', `app-${n}`))
  t.same(store.read('app', {}), [])
  t.end()
})

test('output is cut into lines, whatever the pieces it comes in', async (t) => {
  const read = async (...pieces: (string | Buffer)[]): Promise<string[]> => {
    const lines: string[] = []
    const stream = new PassThrough()
    readLines(stream, (text) => lines.push(text))
    for (const piece of pieces) stream.write(piece)
    stream.end()
    await finished(stream)
    return lines
  }
  t.same(await read('one\ntw', 'o\r\n\nthree'), ['one', 'two', 'three'], 'empty lines are left out')
  const snow = Buffer.from('눈\n')
  t.same(await read(snow.subarray(0, 1), snow.subarray(1)), ['눈'])
  t.same(
    (await read('x'.repeat(100_000), 'y\n')).map(({ length }) => length),
    [61_440, 38_561],
    'a long one is cut',
  )
})

test('a log rate limit drops what is over it, and says so once', (t) => {
  let told = 0
  const within = limitRate(10, () => told++)
  const until = Math.floor(Date.now() / 1000)
  const passed = Array.from({ length: 100 }, () => within('12345')).filter(Boolean).length
  const seconds = Math.floor(Date.now() / 1000) - until + 1
  t.ok(passed <= 2 * seconds && told <= seconds && told >= 1)
  t.ok(limitRate(undefined, () => {})('x'.repeat(1e6)))
  t.end()
})

test('the authority of instances is kept, for our eyes only', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'identity-test-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const authority = identityAuthority(folder)
  t.same(identityAuthority(folder), authority)
  t.equal((await stat(join(folder, 'instance-identity-ca.key'))).mode & 0o777, 0o600)
})
