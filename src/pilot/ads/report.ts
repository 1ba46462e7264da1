import type { Part } from '../../common/lifecycle.ts'
import type { Logger } from '../../common/log.ts'
import { loop } from '../../common/loop.ts'
import { messageOf } from '../../common/problem.ts'
import { version } from '../../common/version.ts'
import type { ClientStatus } from '../../common/xds/server.ts'
import type { CopilotClient } from '../copilot-client.ts'
import { ejectionsOf } from './ejections.ts'
import type { ResourceStatus } from './resource-status.ts'

export interface ReportsOptions {
  name: string
  copilot: Pick<CopilotClient, 'report' | 'condition' | 'position'>
  routers: () => ClientStatus[]
  resources: Pick<ResourceStatus, 'report' | 'essence'>
  log: Logger
  /** Milliseconds between reports. */
  every?: number
}

/** Refusals that a report lists of one router; `refusals` tells how many there are. */
const listed = 100

/** Tells copilot every five seconds, and as soon as something of it changes, how pilot, its routers and the resources are. */
export function reports({ name, copilot, routers, resources, log, every = 5000 }: ReportsOptions): Part {
  /** What a report is sent for at once when it changes. */
  const essence = (): string => JSON.stringify([resources.essence(), copilot.condition().ready, routers().map(({ name, connectedSince, refused, report }) => [name, connectedSince, refused.length, report])])

  const report = async (): Promise<void> => {
    const states = routers().map(({ report: said, ...router }) => ({ ...router, refused: router.refused.slice(0, listed), refusals: router.refused.length, ...ejectionsOf(said) }))
    const status = { version, ready: copilot.condition().ready, revision: copilot.position?.revision, routers: states, resources: resources.report() }
    await copilot.report('pilot', name, status).catch((error: unknown) => log.debug({ reason: messageOf(error) }, 'cannot report to copilot'))
  }

  let told = ''
  let due = 0
  return loop('reports', async () => {
    const now = essence()
    if (now !== told || performance.now() >= due) {
      told = now
      due = performance.now() + every
      await report()
    }
    return every / 10
  })
}
