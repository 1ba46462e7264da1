import { randomUUID } from 'node:crypto'
import { readdir } from 'node:fs/promises'
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
import { Container, type ContainerLog, type ContainerPlan } from './container.ts'
import { Limit } from './limit.ts'
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
  /** Containers that an earlier runner left, until they are placed again or found unwanted. */
  readonly #adopted = new Map<string, Container>()
  /** Instances that wait for the start of the runner. */
  #waiting: (() => void)[] | undefined = []
  #closed = false

  constructor(options: RunnerOptions) {
    this.#options = options
    this.bbs = new Bbs(this, options.restart)
  }

  /** Takes over the containers that an earlier runner left, and removes what is left of others. To be done before anything is desired. */
  async adopt(): Promise<void> {
    const { containers } = this.#options.settings
    const names = await readdir(containers).catch(() => [])
    await Promise.all(
      names.map(async (name) => {
        const container = await Container.adopt(name, this.#options.settings, (plan) => this.#logOf(plan))
        if (!container) return
        const key = instanceOf(container.plan.process.processGuid, container.plan.index)
        if (this.#adopted.has(key)) await container.destroy()
        else this.#adopted.set(key, container)
      }),
    )
  }

  /** Begins to start instances, and ends those taken over that nobody wants any more. */
  async start(): Promise<void> {
    const unwanted = [...this.#adopted.values()]
    this.#adopted.clear()
    for (const place of this.#waiting ?? []) place()
    this.#waiting = undefined
    for (const container of unwanted)
      container
        .destroy()
        .catch((error: unknown) => this.#options.log.error({ err: error, instance: container.guid }, 'cannot remove a container'))
  }

  /** Leaves the instances to the next start where there is a handover; else, and what is not yet started, stops all at one time. */
  async stop(): Promise<void> {
    this.#closed = true
    const { handoverMs } = this.#options.settings
    for (const container of this.#adopted.values()) container.release()
    const released = (instance: Instance): boolean => handoverMs > 0 && !instance.stopping && instance.container.release()
    await Promise.all([...this.#instances.values()].filter((instance) => !released(instance)).map((instance) => this.#stop(instance)))
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
    return this.#options.settings.cells.map(({ id, zone }) =>
      create(CellPresenceSchema, { cellId: id, zone, repAddress: `http://${id}.cell.service.cf.internal:1800` }),
    )
  }

  place(processGuid: string, index: number): void {
    if (!this.#processes.has(processGuid)) return
    const adopted = this.#take(processGuid, index)
    if (adopted) return this.#run(adopted, this.bbs.actual.find(processGuid, index)!.actualLrpKey!)
    const place = (): void => {
      const process = this.#processes.get(processGuid)
      const lrp = this.bbs.actual.find(processGuid, index)
      if (process && lrp?.state === 'UNCLAIMED' && !this.#closed) this.#run(this.#plan(process, index), lrp.actualLrpKey!)
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

  #take(processGuid: string, index: number): Container | undefined {
    const key = instanceOf(processGuid, index)
    const container = this.#adopted.get(key)
    this.#adopted.delete(key)
    return container
  }

  #plan(process: DesiredProcess, index: number): Container {
    const { settings } = this.#options
    const plan: ContainerPlan = { instanceGuid: randomUUID(), index, cell: settings.cells[index % settings.cells.length]!, process }
    return new Container(plan, settings, this.#logOf(plan))
  }

  #logOf({ process, index }: ContainerPlan): ContainerLog {
    return (sourceType, message, type = 'OUT') =>
      this.#options.emitLog({ appGuid: process.appGuid, instance: `${index}`, sourceType, message, type })
  }

  #run(container: Container, key: ActualLRPKey): void {
    const log = this.#logOf(container.plan)
    const instance: Instance = { container, say: (message) => log('CELL', message), stopping: false, done: Promise.resolve() }
    this.#instances.set(container.guid, instance)
    instance.done = this.#live(instance, key).catch((error: unknown) =>
      this.#options.log.error({ err: error, instance: container.guid }, 'instance failed'),
    )
  }

  /** An instance's whole life, from claim to removal. */
  async #live(instance: Instance, key: ActualLRPKey): Promise<void> {
    const { container, say } = instance
    const { cell } = container.plan
    const { processGuid, index } = key
    const instanceKey = instanceKeyOf(instance)
    let reason: string
    try {
      // One that was taken over is at once what it was.
      if (container.runningSince === undefined) {
        this.bbs.actual.claim(processGuid, index, instanceKey)
        if (!container.created) {
          await this.#creations.run(async () => {
            if (instance.stopping) return
            say(`Cell ${cell.id} creating container for instance ${container.guid}`)
            await container.create()
            say(`Cell ${cell.id} successfully created container for instance ${container.guid}`)
          })
        }
        await container.start()
      }
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
    const { say, container } = instance
    if (!instance.stopping) say(`Cell ${container.plan.cell.id} stopping instance ${container.guid}`)
    instance.stopping = true
    await container.stop()
    await instance.done
  }

  /** Tells BBS that an instance runs, and where. */
  #announce(key: ActualLRPKey, instance: Instance): void {
    const { address } = this.#options.settings
    const { runningSince } = instance.container
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
      actualLrpInternalRoutes: (this.#processes.get(key.processGuid)?.internalRoutes ?? []).map((route) =>
        create(ActualLRPInternalRouteSchema, route),
      ),
      metricTags: {},
      availabilityZone: instance.container.plan.cell.zone,
      since: runningSince === undefined ? undefined : BigInt(runningSince) * 1_000_000n,
    })
  }
}

const instanceKeyOf = ({ container }: Instance) =>
  create(ActualLRPInstanceKeySchema, { instanceGuid: container.guid, cellId: container.plan.cell.id })
const instanceOf = (processGuid: string, index: number): string => `${processGuid}/${index}`
