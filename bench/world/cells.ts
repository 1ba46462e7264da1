import { randomUUID } from 'node:crypto'
import { create } from '@bufbuild/protobuf'
import {
  ActualLRPInstanceKeySchema,
  ActualLRPNetInfoSchema,
  type ActualLRP,
  type CellPresence,
  type DesiredLRP,
} from '../../src/common/proto/gen/bbs_pb.js'
import type { DesiredProcess, Diego, InstanceState, StagingResult } from '../../src/foundation/diego.ts'
import { Bbs } from '../../src/foundation/diego/bbs/bbs.ts'
import type { Cells as CellsOfBbs } from '../../src/foundation/diego/bbs/cells.ts'
import { desiredLrp } from '../../src/foundation/diego/index.ts'

/**
 * Cells of any size: an instance is a row in the foundation's real BBS and an address of its own in 127.0.0.0/8, at all of which
 * one TLS server answers (instances.ts).
 */
export class Cells implements CellsOfBbs, Diego {
  readonly bbs = new Bbs(this, { immediate: 1_000_000, minDelayMs: 0, maxDelayMs: 0, maxRestarts: 1_000_000, resetAfterMs: 0 })
  readonly #port: number
  readonly #known = new Set<string>()
  #started = 0

  /** `port` is that of the TLS server. */
  constructor(port: number) {
    this.#port = port
    this.bbs.domains.upsert('cf-apps', 0)
  }

  /** Guids of a process's instances by index. */
  of(process: string): string[] {
    return this.bbs.actual.list({ processGuid: process }).map(({ message }) => message.actualLrpInstanceKey!.instanceGuid)
  }

  /** An instance dies, and another is started in its place. */
  crash(process: string, index: number): void {
    const { actualLrpKey, actualLrpInstanceKey } = this.bbs.actual.find(process, index)!
    this.bbs.crash(actualLrpKey!, actualLrpInstanceKey!, 'killed')
  }

  presences(): CellPresence[] {
    return []
  }

  place(process: string, index: number): void {
    const lrp = this.bbs.actual.find(process, index)
    if (!lrp || !this.#known.has(process)) return
    const instance = create(ActualLRPInstanceKeySchema, { instanceGuid: randomUUID(), cellId: `cell-${index % 2}` })
    const n = ++this.#started
    const address = `127.${1 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}`
    const ports = [{ containerPort: 8080, hostPort: 0, containerTlsProxyPort: 61_001, hostTlsProxyPort: this.#port }]
    this.bbs.actual.claim(process, index, instance)
    this.bbs.actual.start(lrp.actualLrpKey!, instance, {
      actualLrpNetInfo: create(ActualLRPNetInfoSchema, { address, instanceAddress: address, preferredAddress: 2, ports }),
      actualLrpInternalRoutes: [],
      metricTags: {},
      availabilityZone: `z${index % 2}`,
    })
  }

  stopInstance({ actualLrpKey, actualLrpInstanceKey }: ActualLRP): boolean {
    setImmediate(() => this.bbs.actual.remove(actualLrpKey!.processGuid, actualLrpKey!.index, actualLrpInstanceKey))
    return true
  }

  updated(_lrp: DesiredLRP): void {}

  desire(process: DesiredProcess): void {
    const wanted = desiredLrp(process)
    this.#known.add(process.processGuid)
    if (!this.bbs.desired.find(process.processGuid)) this.bbs.desired.desire(wanted)
    else this.bbs.desired.update(process.processGuid, { instances: wanted.instances, routes: wanted.routes, metricTags: {} } as never)
  }

  remove(process: string): void {
    if (this.bbs.desired.find(process)) this.bbs.desired.remove(process)
    this.#known.delete(process)
  }

  instances(process: string): InstanceState[] {
    return this.of(process).map((instanceGuid, index) => ({
      index,
      instanceGuid,
      state: 'RUNNING',
      since: 0,
      uptime: 1,
      host: '',
      ports: [],
      usage: { cpu: 0, memory: 0, disk: 0 },
    }))
  }

  restartInstance(process: string, index: number): void {
    this.bbs.desired.retire(process, index)
  }

  async stage(): Promise<StagingResult> {
    return { processTypes: { web: 'true' }, buildpack: 'none' }
  }

  logs(): [] {
    return []
  }

  emitLog(): void {}

  onCrash(): void {}

  onInstanceChange(): void {}
}
