import { randomUUID } from 'node:crypto'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { create } from '@bufbuild/protobuf'
import {
  type ActualLRP,
  ActualLRPInstanceKeySchema,
  ActualLRPInternalRouteSchema,
  type ActualLRPKey,
  ActualLRPNetInfoSchema,
  type CellPresence,
  CellPresenceSchema,
  type DesiredLRP,
} from '../../../common/proto/gen/bbs_pb.js'
import type { Part } from '../../../common/lifecycle.ts'
import type { Logger } from '../../../common/log.ts'
import { messageOf } from '../../../common/problem.ts'
import type { DesiredProcess, LogEnvelope } from '../../diego.ts'
import { Bbs } from '../bbs/bbs.ts'
import type { Cells } from '../bbs/cells.ts'
import type { RestartPolicy } from '../bbs/restart-policy.ts'
import { Container, type ContainerLog } from './container.ts'
import { Limit } from './limit.ts'
import { killOrphans } from './process-group.ts'
import type { RunnerSettings } from './settings.ts'

/** Containers that are created at one time; unpacking and making keys take a core each. */
const creations = 4
/** How routers reach instances: at the cell's address and ports (ActualLRPNetInfo.PreferredAddress HOST). */
const preferHost = 2

export interface RunnerOptions {
  settings: RunnerSettings
  restart: RestartPolicy
  emitLog: (envelope: Omit<LogEnvelope, 'timestamp'>) => void
  log: Logger
}

interface Instance {
  container: Container
  cell: { id: string; zone: string }
  /** Logs as the cell. */
  say: (message: string) => void
  stopping: boolean
  done: Promise<void>
}

/** Runs desired processes as local processes, and tells BBS as cells do. */
export class Runner implements Part, Cells {
  readonly name = 'runner'
  readonly bbs: Bbs
  readonly #options: RunnerOptions
  readonly #processes = new Map<string, DesiredProcess>()
  readonly #instances = new Map<string, Instance>()
  readonly #creations = new Limit(creations)
  /** Instances that wait for the start of the runner. */
  #waiting: (() => void)[] | undefined = []
  #closed = false

  constructor(options: RunnerOptions) {
    this.#options = options
    this.bbs = new Bbs(this, options.restart)
  }

  /** Ends what an earlier, killed runner left behind, and begins to start instances. */
  async start(): Promise<void> {
    const { containers } = this.#options.settings
    for (const name of await readdir(containers).catch(() => [])) {
      killOrphans(join(containers, name, 'pid'))
      await rm(join(containers, name), { recursive: true, force: true })
    }
    for (const place of this.#waiting ?? []) place()
    this.#waiting = undefined
  }

  /** Stops every instance, all at one time. */
  async stop(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#instances.values()].map((instance) => this.#stop(instance)))
  }

  /** Notes what `processGuid` is to run; BBS is told by the caller. */
  define(process: DesiredProcess): void {
    this.#processes.set(process.processGuid, process)
  }

  forget(processGuid: string): void {
    this.#processes.delete(processGuid)
  }

  container(instanceGuid: string): Container | undefined {
    return this.#instances.get(instanceGuid)?.container
  }

  presences(): CellPresence[] {
    return this.#options.settings.cells.map(({ id, zone }) => create(CellPresenceSchema, { cellId: id, zone, repAddress: `http://${id}.cell.service.cf.internal:1800` }))
  }

  place(processGuid: string, index: number): void {
    if (!this.#processes.has(processGuid)) return
    const place = (): void => {
      const process = this.#processes.get(processGuid)
      const lrp = this.bbs.actual.find(processGuid, index)
      if (process && lrp?.state === 'UNCLAIMED' && !this.#closed) this.#run(process, lrp.actualLrpKey!)
    }
    if (this.#waiting) this.#waiting.push(place)
    else setImmediate(place)
  }

  stopInstance({ actualLrpInstanceKey: key }: ActualLRP): boolean {
    const instance = this.#instances.get(key!.instanceGuid)
    if (instance) void this.#stop(instance)
    return instance !== undefined
  }

  updated({ processGuid }: DesiredLRP): void {
    for (const { message } of this.bbs.actual.list({ processGuid })) {
      const instance = this.#instances.get(message.actualLrpInstanceKey!.instanceGuid)
      if (instance && message.state === 'RUNNING') this.#announce(message.actualLrpKey!, instance)
    }
  }

  #run(process: DesiredProcess, key: ActualLRPKey): void {
    const guid = randomUUID()
    const { settings, emitLog } = this.#options
    const log: ContainerLog = (sourceType, message, type = 'OUT') => emitLog({ appGuid: process.appGuid, instance: `${key.index}`, sourceType, message, type })
    const instance: Instance = {
      container: new Container(guid, process, key.index, settings, log),
      cell: settings.cells[key.index % settings.cells.length]!,
      say: (message) => log('CELL', message),
      stopping: false,
      done: Promise.resolve(),
    }
    this.#instances.set(guid, instance)
    instance.done = this.#live(instance, key).catch((error: unknown) => this.#options.log.error({ err: error, instance: guid }, 'instance failed'))
  }

  /** An instance's whole life, from claim to removal. */
  async #live(instance: Instance, key: ActualLRPKey): Promise<void> {
    const { container, cell, say } = instance
    const { processGuid, index } = key
    const instanceKey = instanceKeyOf(instance)
    let reason: string
    try {
      this.bbs.actual.claim(processGuid, index, instanceKey)
      await this.#creations.run(async () => {
        if (instance.stopping) return
        say(`Cell ${cell.id} creating container for instance ${container.guid}`)
        await container.create()
        say(`Cell ${cell.id} successfully created container for instance ${container.guid}`)
      })
      await container.start()
      if (!instance.stopping) this.#announce(key, instance)
      reason = await container.ended()
    } catch (error) {
      reason = messageOf(error)
    }
    const isOurs = (): boolean => this.bbs.actual.find(processGuid, index)?.actualLrpInstanceKey?.instanceGuid === container.guid
    if (!instance.stopping) {
      this.#options.log.info({ process: processGuid, index, reason }, 'instance crashed')
      if (isOurs()) this.bbs.crash(key, instanceKey, reason)
    }
    await container.destroy()
    say(`Cell ${cell.id} successfully destroyed container for instance ${container.guid}`)
    this.#instances.delete(container.guid)
    if (!instance.stopping || this.#closed) return
    if (isOurs()) this.bbs.actual.remove(processGuid, index, instanceKey)
    this.bbs.desired.converge(processGuid)
  }

  async #stop(instance: Instance): Promise<void> {
    const { say, cell, container } = instance
    if (!instance.stopping) say(`Cell ${cell.id} stopping instance ${container.guid}`)
    instance.stopping = true
    await container.stop()
    await instance.done
  }

  /** Tells BBS that an instance runs, and where. */
  #announce(key: ActualLRPKey, instance: Instance): void {
    const { address } = this.#options.settings
    this.bbs.actual.start(key, instanceKeyOf(instance), {
      actualLrpNetInfo: create(ActualLRPNetInfoSchema, {
        address,
        instanceAddress: address,
        preferredAddress: preferHost,
        ports: instance.container.ports.map((port) => ({
          containerPort: port.container,
          hostPort: port.host,
          containerTlsProxyPort: port.containerTls,
          hostTlsProxyPort: port.hostTls,
        })),
      }),
      actualLrpInternalRoutes: (this.#processes.get(key.processGuid)?.internalRoutes ?? []).map((route) => create(ActualLRPInternalRouteSchema, route)),
      metricTags: {},
      availabilityZone: instance.cell.zone,
    })
  }
}

const instanceKeyOf = ({ container, cell }: Instance) => create(ActualLRPInstanceKeySchema, { instanceGuid: container.guid, cellId: cell.id })
