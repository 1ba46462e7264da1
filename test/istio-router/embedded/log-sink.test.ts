import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { test } from 'tap'
import { createLogger } from '../../../src/common/log.ts'
import { LogSink } from '../../../src/istio-router/embedded/log-sink.ts'
import { eventually } from '../../support/wait.ts'

test('an access log that could not be written goes on once it can be, and what was lost is counted', async (t) => {
  const metrics = { logLinesDropped: 0 }
  let full = true
  const stdout = new Writable({
    autoDestroy: false,
    write: (_chunk, _encoding, done) => done(full ? new Error('no space left on device') : null),
  })
  const sink = new LogSink(stdout, metrics, createLogger('test', 'silent'))
  const folder = join(t.testdir(), 'logs')
  const file = join(folder, 'access.log')
  sink.write('/dev/stdout', 'one\n')
  sink.write(file, 'two\n')
  sink.write(file, 'three\n')
  await eventually(() => metrics.logLinesDropped === 3)
  full = false
  mkdirSync(folder)
  sink.write(file, 'four\n')
  await sink.close()
  t.equal(readFileSync(file, 'utf8'), 'four\n')
})
