import type { Part } from '../common/lifecycle.ts'
import type { Logger } from '../common/log.ts'
import { loop } from '../common/loop.ts'
import { messageOf } from '../common/problem.ts'
import type { CopilotClient, Orders } from './copilot/client.ts'

export interface ReportsOptions {
  copilot: CopilotClient
  /** What we say of ourselves, without what changes all the time. */
  status: () => object
  /** What is added to it, and is no reason to report at once. */
  ages: () => object
  /** An operator's order is waited for. */
  waiting: () => boolean
  onOrders: (orders: Orders) => void
  log: Logger
}

/** How often copilot hears of us, and how often we look whether there is something new to say or an order to fetch, milliseconds. */
const every = 5_000
const look = 500

/** Reports this syncer's state to copilot every 5 s and soon after it changes; the answers carry operators' orders. */
export function reports({ copilot, status, ages, waiting, onOrders, log }: ReportsOptions): Part {
  let reported = ''
  let due = 0
  let failing = false

  return loop('reports', async (signal) => {
    const said = status()
    const text = JSON.stringify(said)
    if (text === reported && !waiting() && performance.now() < due) return look
    due = performance.now() + every
    reported = text
    try {
      onOrders(await copilot.report({ ...said, ...ages() }, signal))
      failing = false
    } catch (error) {
      if (!failing && !signal.aborted) log.warn(`copilot did not take our report: ${messageOf(error)}`)
      failing = true
    }
    return look
  })
}
