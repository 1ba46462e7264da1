import { test } from 'tap'
import { Backoff, keepTrying } from '../../src/common/backoff.ts'

test('a delay lies between half of and all of the doubled ceiling, capped', (t) => {
  const backoff = new Backoff({ min: 100, max: 1000 })
  for (const ceiling of [100, 200, 400, 800, 1000, 1000]) {
    const delay = backoff.next()
    t.ok(delay >= ceiling / 2 && delay <= ceiling, `${delay} within ${ceiling}`)
  }
  t.end()
})

test('reset begins again at the first delay', (t) => {
  const backoff = new Backoff({ min: 100, max: 1000 })
  backoff.next()
  backoff.next()
  backoff.reset()
  t.ok(backoff.next() <= 100)
  t.end()
})

test('keepTrying goes on after an error and ends when it is aborted', async (t) => {
  const stop = new AbortController()
  const errors: unknown[] = []
  let attempts = 0
  await keepTrying(
    async () => {
      attempts++
      if (attempts === 3) stop.abort()
      throw new Error(`attempt ${attempts}`)
    },
    { signal: stop.signal, min: 1, max: 2, onError: (error) => errors.push(error) },
  )
  t.equal(attempts, 3)
  t.equal(errors.length, 2, 'the error of an aborted attempt is not reported')
})
