import type { ActualLRPInstanceKey, ActualLRPKey } from '../../../common/proto/gen/bbs_pb.js'
import { ActualLrps } from './actual-lrps.ts'
import type { Cells } from './cells.ts'
import { DesiredLrps } from './desired-lrps.ts'
import { Domains } from './domains.ts'
import { EventHub } from './events.ts'
import { defaultRestartPolicy, type RestartPolicy } from './restart-policy.ts'

/** Diego's bulletin board system in memory: what is desired, what runs, and the events of both. */
export class Bbs {
  readonly events = new EventHub()
  readonly domains = new Domains()
  readonly actual: ActualLrps
  readonly desired: DesiredLrps
  readonly cells: Cells

  constructor(cells: Cells, policy: RestartPolicy = defaultRestartPolicy) {
    this.cells = cells
    this.actual = new ActualLrps(this.events, policy)
    this.desired = new DesiredLrps(this.events, this.actual, cells)
  }

  /** Notes a crash and has the instance placed again, at once or after the policy's delay. */
  crash(key: ActualLRPKey, instance: ActualLRPInstanceKey, reason: string): void {
    const { processGuid, index } = key
    const { restartAfterMs } = this.actual.crash(key, instance, reason)
    if (restartAfterMs === undefined) return
    if (restartAfterMs === 0) return this.cells.place(processGuid, index)
    const crashed = this.actual.find(processGuid, index)
    setTimeout(() => {
      if (this.actual.find(processGuid, index) !== crashed) return
      this.actual.unclaim(processGuid, index)
      this.cells.place(processGuid, index)
    }, restartAfterMs).unref()
  }
}
