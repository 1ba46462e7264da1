import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { create } from '@bufbuild/protobuf'
import {
  ActualLRPInstanceKeySchema,
  ActualLRPNetInfoSchema,
  type ActualLRP,
  type ActualLRPInstanceKey,
  type ActualLRPKey,
  type CellPresence,
  type DesiredLRP,
} from '../../../src/common/proto/gen/bbs_pb.js'
import { createKeys, type KeyPair, type Keys } from '../../../src/common/pki.ts'
import type { DesiredProcess, Diego, InstanceState, StagingResult } from '../../../src/foundation/diego.ts'
import { Bbs } from '../../../src/foundation/diego/bbs/bbs.ts'
import type { Cells as CellsOfBbs } from '../../../src/foundation/diego/bbs/cells.ts'
import { desiredLrp } from '../../../src/foundation/diego/index.ts'
import { TestInstance } from '../../support/instance.ts'
import { freePort } from '../../support/program.ts'
import type { Death, Instances, Running } from './platform.ts'

interface Served extends Running {
  port: number
  server: TestInstance
}

export interface CellsOptions {
  identities: KeyPair
  routerCa: string
  /** Answers as an app; told which it is. */
  answer: (request: IncomingMessage, response: ServerResponse, running: { app: string; instance: string }) => void
  /** Milliseconds from the order to stop to the death of a container. */
  grace?: number
}

/**
 * How long a port is kept away from the rest of the machine is up to the test: it is given out again at once, to another app where one is
 * free.
 */
interface FreePort {
  port: number
  app: string
  instance: string
}

/**
 * The cells of a Diego under test: instances are TLS servers of this process, told of through the foundation's real BBS, and
 * the host ports of dead ones go to instances of other apps as soon as possible.
 */
export class Cells implements CellsOfBbs, Diego, Instances {
  readonly bbs = new Bbs(this, { immediate: 1_000_000, minDelayMs: 0, maxDelayMs: 0, maxRestarts: 1_000_000, resetAfterMs: 0 })
  readonly running = new Map<string, Served>()
  /** Every instance that ever was, by guid: its app. */
  readonly history = new Map<string, string>()
  readonly killed = new Map<string, Death[]>()
  /** Ports that went from one app to another. */
  recycled = 0
  /** Instances on a recycled port also bear the name of the one before: nothing tells a router that it has come to another app. */
  impersonate = false
  readonly #options: CellsOptions
  readonly #processes = new Map<string, DesiredProcess>()
  readonly #free: FreePort[] = []
  readonly #starting = new Set<Promise<void>>()
  readonly #listeners: ((process: string) => void)[] = []
  #keys: Keys | undefined
  #closed = false

  constructor(options: CellsOptions) {
    this.#options = options
  }

  async prepare(): Promise<void> {
    this.#keys = await createKeys()
    this.bbs.domains.upsert('cf-apps', 0)
  }

  /** Waits until everything that was ordered runs. */
  async settled(): Promise<void> {
    while (this.#starting.size) await Promise.all(this.#starting)
  }

  async stop(): Promise<void> {
    this.#closed = true
    await this.settled()
    await Promise.all([...this.running.values()].map(({ server }) => server.stop()))
  }

  of(app: string): Served[] {
    return [...this.running.values()].filter((one) => one.app === app)
  }

  /** Kills containers at one moment, and has others started in their place: with each other's ports where they are of different apps. */
  async crash(victims: Served[]): Promise<void> {
    for (const victim of victims) victim.stopping = true
    await Promise.all(victims.map((victim) => this.#end(victim)))
    for (const { process, index, guid } of victims) {
      const lrp = this.bbs.actual.find(process, index)
      if (lrp?.actualLrpInstanceKey?.instanceGuid === guid) this.bbs.crash(lrp.actualLrpKey!, lrp.actualLrpInstanceKey, 'killed')
    }
  }

  presences(): CellPresence[] {
    return []
  }

  place(process: string, index: number): void {
    const desired = this.#processes.get(process)
    const lrp = this.bbs.actual.find(process, index)
    if (!desired || !lrp || this.#closed) return
    const starting: Promise<void> = this.#start(desired, lrp.actualLrpKey!).finally(() => this.#starting.delete(starting))
    this.#starting.add(starting)
  }

  stopInstance({ actualLrpInstanceKey }: ActualLRP): boolean {
    const running = this.running.get(actualLrpInstanceKey!.instanceGuid)
    if (running && !running.stopping) {
      running.stopping = true
      const stopping: Promise<void> = this.#retire(running).finally(() => this.#starting.delete(stopping))
      this.#starting.add(stopping)
    }
    return running !== undefined
  }

  updated(_lrp: DesiredLRP): void {}

  desire(process: DesiredProcess): void {
    const { processGuid } = process
    const { instances, routes } = desiredLrp(process)
    this.#processes.set(processGuid, process)
    if (!this.bbs.desired.find(processGuid)) this.bbs.desired.desire(desiredLrp(process))
    else this.bbs.desired.update(processGuid, { instances, routes, metricTags: {} } as never)
  }

  remove(process: string): void {
    if (this.bbs.desired.find(process)) this.bbs.desired.remove(process)
    this.#processes.delete(process)
  }

  instances(process: string): InstanceState[] {
    return [...this.running.values()]
      .filter((one) => one.process === process)
      .map(({ index, guid, port }) => ({
        index,
        instanceGuid: guid,
        state: 'RUNNING',
        since: 0,
        uptime: 1,
        host: '127.0.0.1',
        ports: [{ app: 8080, external: 0, externalTls: port }],
        usage: { cpu: 0, memory: 0, disk: 0 },
      }))
  }

  restartInstance(process: string, index: number): void {
    if (this.bbs.actual.find(process, index)) this.bbs.desired.retire(process, index)
  }

  async stage(): Promise<StagingResult> {
    return { processTypes: { web: 'true' }, buildpack: 'none' }
  }

  logs(): [] {
    return []
  }

  emitLog(): void {}

  onCrash(): void {}

  onInstanceChange(listener: (process: string) => void): void {
    this.#listeners.push(listener)
  }

  async #start(desired: DesiredProcess, key: ActualLRPKey): Promise<void> {
    const { processGuid: process, appGuid: app } = desired
    const guid = randomUUID()
    const instanceKey = create(ActualLRPInstanceKeySchema, { instanceGuid: guid, cellId: `cell-${(key.index % 2) + 1}` })
    this.bbs.actual.claim(process, key.index, instanceKey)
    const server = await this.#listen(app, (port, before) =>
      TestInstance.start({
        ...this.#options,
        guid,
        index: key.index,
        port,
        keys: this.#keys,
        ...(before && this.impersonate && { alsoNamed: [before] }),
        handler: (request, response) => this.#options.answer(request, response, { app, instance: guid }),
      }),
    )
    const { port } = server
    this.history.set(guid, app)
    this.running.set(guid, { guid, app, process, index: key.index, port, server, stopping: false })
    this.#announce(key, instanceKey, port)
    for (const listener of this.#listeners) listener(process)
  }

  #announce(key: ActualLRPKey, instance: ActualLRPInstanceKey, port: number): void {
    const address = '127.0.0.1'
    const ports = [{ containerPort: 8080, hostPort: 0, containerTlsProxyPort: 61_001, hostTlsProxyPort: port }]
    try {
      this.bbs.actual.start(key, instance, {
        actualLrpNetInfo: create(ActualLRPNetInfoSchema, { address, instanceAddress: address, preferredAddress: 2, ports }),
        actualLrpInternalRoutes: [],
        metricTags: {},
        availabilityZone: `z${(key.index % 2) + 1}`,
      })
    } catch {
      // It was unmade meanwhile.
      const running = this.running.get(instance.instanceGuid)
      if (running) void this.#end(running)
    }
  }

  /** Ends one in order: it serves on for its grace, and its row goes when it has gone. */
  async #retire(running: Served): Promise<void> {
    const { process, index, guid } = running
    await delay(this.#options.grace ?? 1000)
    await this.#end(running)
    if (this.bbs.actual.find(process, index)?.actualLrpInstanceKey?.instanceGuid === guid) this.bbs.actual.remove(process, index)
    this.bbs.desired.converge(process)
  }

  async #end({ guid, app, port, server }: Served): Promise<void> {
    if (!this.running.delete(guid)) return
    const now = performance.now()
    this.killed.set(app, [...(this.killed.get(app) ?? []), { from: now, to: now }])
    await server.stop()
    this.#free.push({ port, app, instance: guid })
  }

  /** The port that was last let go by another app, which routers may still know as its. */
  #newestOf(app: string): number {
    return this.#free.findLastIndex((free) => free.app !== app)
  }

  /** On a dead instance's port, of another app if there is one; else on one that nobody has had. */
  async #listen(app: string, start: (port: number, before?: string) => Promise<TestInstance>): Promise<TestInstance> {
    for (let at = this.#newestOf(app); at >= 0; at = this.#newestOf(app)) {
      const [{ port, instance }] = this.#free.splice(at, 1) as [FreePort]
      try {
        const server = await start(port, instance)
        this.recycled++
        return server
      } catch (error) {
        // Another program of this machine has it now.
        if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
      }
    }
    return start(await freePort())
  }
}
