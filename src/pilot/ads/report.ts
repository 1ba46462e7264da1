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
  resources: Pick<ResourceStatus, 'all' | 'changes'>
  /** What operators are advised to set. */
  advice: () => string | undefined
  log: Logger
  /** Milliseconds between reports. */
  every?: number
}

/** Refusals that a report lists of one router; `refusals` tells how many there are. */
const listed = 100

/** Tells copilot every five seconds, and as soon as something of it changes, how pilot, its routers and the resources are. */
export function reports({ name, copilot, routers, resources, advice, log, every = 5000 }: ReportsOptions): Part {
  /** What a report is sent for at once when it changes, beside the resources. */
  const essence = (): string =>
    JSON.stringify([
      copilot.condition().ready,
      routers().map(({ name, connectedSince, refused, report }) => [name, connectedSince, refused.length, report]),
    ])

  /** Whether copilot may not know what was told of resources before. */
  let afresh = true
  let resourcesVersion = 0

  const report = async (changes: Record<string, unknown>): Promise<void> => {
    const states = routers().map(({ report: said, ...router }) => ({
      ...router,
      refused: router.refused.slice(0, listed),
      refusals: router.refused.length,
      ...ejectionsOf(said),
    }))
    const { ready, reason = advice() } = copilot.condition()
    const status = { version, ready, ...(reason === undefined ? {} : { reason }), revision: copilot.position?.revision, routers: states }
    const changed = Object.keys(changes).length > 0
    if (afresh || changed) resourcesVersion++
    const told = afresh ? { resources: resources.all() } : changed ? { resourceChanges: changes } : {}
    try {
      const orders = await copilot.report('pilot', name, { ...status, resourcesVersion, ...told })
      afresh = orders['resources'] === 'all'
      if (afresh) due = 0
    } catch (error) {
      afresh = true
      log.debug({ reason: messageOf(error) }, 'cannot report to copilot')
    }
  }

  let told = ''
  let due = 0
  return loop('reports', async () => {
    const now = essence()
    const changes = resources.changes()
    if (now !== told || performance.now() >= due || Object.keys(changes).length) {
      told = now
      due = performance.now() + every
      await report(changes)
    }
    return every / 10
  })
}
