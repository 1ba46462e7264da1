import { pino } from 'pino'
import { test } from 'tap'
import { Superseded, type CopilotClient } from '../../src/route-syncer/copilot/client.ts'
import { Sender } from '../../src/route-syncer/copilot/sender.ts'
import { eventually } from '../support/wait.ts'

test('while copilot takes nothing it is asked more and more seldom, and then gets all that waits', async (t) => {
  let takes = true
  const tries: number[] = []
  const taken: unknown[] = []
  const post = (changes: unknown[]): Promise<void> => {
    tries.push(performance.now())
    if (takes) taken.push(...changes)
    return takes ? Promise.resolve() : Promise.reject(new Error('no space'))
  }
  const copilot = { putAll: () => Promise.resolve(), post } as unknown as CopilotClient
  const sender = new Sender({ copilot, all: () => [], log: pino({ level: 'silent' }) })
  t.teardown(() => sender.stop())
  sender.begin()
  await eventually(() => sender.condition.ready)

  takes = false
  for (const key of ['a', 'b']) sender.add({ kind: 'app', key, value: null })
  await eventually(() => tries.length >= 7)
  // Delays are at least half of 50 ms × 2ⁿ.
  t.ok(tries[6]! - tries[0]! > 1_000, `7 tries in ${(tries[6]! - tries[0]!).toFixed()} ms`)
  t.match(sender.condition, { ready: false, reason: 'no space', pending: 2 })

  takes = true
  await eventually(() => sender.condition.ready)
  t.same(
    taken,
    ['a', 'b'].map((key) => ({ kind: 'app', key, value: null })),
  )
})

test('it stops for good where another syncer has taken over', async (t) => {
  for (const request of ['putAll', 'post'] as const) {
    let tries = 0
    const refused = (): Promise<void> => {
      tries++
      return Promise.reject(Superseded('another syncer has since taken over'))
    }
    const copilot = { putAll: () => Promise.resolve(), post: () => Promise.resolve(), [request]: refused } as unknown as CopilotClient
    const sender = new Sender({ copilot, all: () => [], log: pino({ level: 'silent' }) })
    sender.begin()
    if (request === 'post') await eventually(() => sender.condition.ready)
    sender.add({ kind: 'app', key: 'a', value: null })
    await eventually(() => sender.condition.reason?.includes('another syncer has since taken over'))
    sender.add({ kind: 'app', key: 'b', value: null })
    t.match(sender.condition, { ready: false, pending: 0 }, 'and notes nothing any more')
    await sender.stop()
    t.equal(tries, 1)
  }
})
