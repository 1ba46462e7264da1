import { test } from 'tap'
import { compileJson, type Logged } from '../../../src/istio-router/embedded/http/format.ts'

test('a text of a log line is what JSON.stringify makes of it', (t) => {
  const line = compileJson({ path: '%PATH(WQ)%', both: '<%PATH(WQ)%>' })
  for (const path of ['', '/plain ~', 'a"b', 'a\\b', 'a\tb\n\0', '\x7f', '\x80\xff', '\u2028', '\ud800'])
    t.equal(line({ originalPath: path, path } as Logged), JSON.stringify({ path, both: `<${path}>` }))
  t.end()
})

test('the time of a log line is in milliseconds, whatever was written before it', (t) => {
  const line = compileJson({ time: '%START_TIME%' })
  for (const time of ['2026-11-22T23:59:59.999Z', '2026-11-23T00:00:00.000Z', '2026-11-23T00:00:00.007Z', '2026-11-22T23:59:59.070Z'])
    t.equal(line({ startedAt: Date.parse(time) } as Logged), JSON.stringify({ time }))
  t.end()
})
