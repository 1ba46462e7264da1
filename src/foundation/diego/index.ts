import { join } from 'node:path'
import { create, fromBinary } from '@bufbuild/protobuf'
import {
  ActualLRPCrashedEventSchema,
  type DesiredLRP,
  DesiredLRPSchema,
  DesiredLRPUpdateSchema,
  type ProtoRoutes,
  ProtoRoutesSchema,
} from '../../common/proto/gen/bbs_pb.js'
import type { Part } from '../../common/lifecycle.ts'
import type { Logger } from '../../common/log.ts'
import type { KeyPair } from '../../common/pki.ts'
import type { TlsMaterial } from '../../common/tls.ts'
import type { Crash, DesiredProcess, Diego, InstanceState, LogEnvelope, LogQuery, StagingInput, StagingResult } from '../diego.ts'
import type { Bbs } from './bbs/bbs.ts'
import { BbsError } from './bbs/errors.ts'
import { defaultRestartPolicy, type RestartPolicy } from './bbs/restart-policy.ts'
import { BbsServer } from './bbs/server.ts'
import { routerNames } from './container/tls-proxy.ts'
import { LogStore } from './logs.ts'
import { identityAuthority } from './runner/identity.ts'
import { Runner } from './runner/runner.ts'
import { stage } from './staging/stage.ts'

/** The BBS domain of Cloud Controller's apps. */
const domain = 'cf-apps'
/** How long it counts as fresh after Cloud Controller's last sync, and between two syncs, seconds. */
const freshness = { ttl: 120, every: 30 }

export interface DiegoOptions {
  /** Folder for the instance identity authority, instances and builds. */
  dataDir: string
  /** File of a droplet that staging has made. */
  dropletFile: (dropletGuid: string) => string
  /** Where BBS listens, with its certificate and the CA of its clients. */
  bbs: { listen: { host: string; port: number }; tls: TlsMaterial }
  /** CAs of the routers that instances accept, PEM. */
  routerCa: string
  /** DNS names of which a router's certificate must bear one; those of cf-deployment if absent. */
  routerNames?: string[]
  /** Authority of instances' certificates; made and kept in `dataDir` if absent. */
  identityAuthority?: KeyPair
  /** Address of the cell, and so of every instance. */
  address?: string
  /** The cells that instances are spread over by index; two in two zones if absent. */
  cells?: { id: string; zone: string }[]
  /** Diego's own figures unless given. */
  restart?: Partial<RestartPolicy>
  /** From SIGTERM to SIGKILL; 10 s. */
  stopGraceMs?: number
  /** Between two checks of a starting instance; 0.1 s. */
  startupCheckIntervalMs?: number
  /** Between two checks of a healthy instance; 30 s. */
  livenessCheckIntervalMs?: number
  /** How long a starting instance may take where the app doesn't say; 60 s. */
  startTimeoutMs?: number
  /** Of instances' certificates, renewed half-way; a day. */
  identityValidityMs?: number
  /** How long instances go on without us, for the next start to take them over; 0, the default, ends them with us. */
  handoverMs?: number
  log: Logger
}

/** Diego as one part: BBS, cells that run instances as local processes, and staging. */
export class EmbeddedDiego implements Diego, Part {
  readonly name = 'diego'
  /** CA certificate of all instances' identities, PEM. */
  readonly identityCa: string
  readonly #options: DiegoOptions
  readonly #runner: Runner
  readonly #bbs: Bbs
  readonly #server: BbsServer
  readonly #logs = new LogStore()
  #freshen: NodeJS.Timeout | undefined

  constructor(options: DiegoOptions) {
    this.#options = options
    const authority = options.identityAuthority ?? identityAuthority(options.dataDir)
    this.identityCa = authority.certificate
    this.#runner = new Runner({
      settings: {
        containers: join(options.dataDir, 'containers'),
        cells: options.cells ?? [
          { id: 'cell-1', zone: 'z1' },
          { id: 'cell-2', zone: 'z2' },
        ],
        address: options.address ?? '127.0.0.1',
        identityAuthority: authority,
        routerCa: options.routerCa,
        routerNames: options.routerNames ?? routerNames,
        dropletFile: options.dropletFile,
        stopGraceMs: options.stopGraceMs ?? 10_000,
        startupCheckIntervalMs: options.startupCheckIntervalMs ?? 100,
        livenessCheckIntervalMs: options.livenessCheckIntervalMs ?? 30_000,
        startTimeoutMs: options.startTimeoutMs ?? 60_000,
        identityValidityMs: options.identityValidityMs ?? 86_400_000,
        handoverMs: options.handoverMs ?? 0,
      },
      restart: { ...defaultRestartPolicy, ...options.restart },
      emitLog: (envelope) => this.emitLog(envelope),
      log: options.log,
    })
    this.#bbs = this.#runner.bbs
    this.#server = new BbsServer({ bbs: this.#bbs, ...options.bbs, log: options.log })
  }

  /** The port that BBS has taken. */
  get bbsPort(): number {
    return this.#server.port
  }

  /** Takes over the instances that run, so that they stay what they are to BBS. To be called before anything is desired. */
  adopt(): Promise<void> {
    return this.#runner.adopt()
  }

  /** Call `desire` for all that is wanted before this: once it serves, BBS says that its domain is complete. */
  async start(): Promise<void> {
    await this.#runner.start()
    const freshen = (): void => this.#bbs.domains.upsert(domain, freshness.ttl)
    freshen()
    this.#freshen = setInterval(freshen, freshness.every * 1000)
    await this.#server.start()
  }

  async stop(): Promise<void> {
    clearInterval(this.#freshen)
    await this.#server.stop()
    await this.#runner.stop()
  }

  desire(process: DesiredProcess): void {
    const { processGuid } = process
    const before = this.#bbs.desired.find(processGuid)
    this.#runner.define(process)
    const wanted = desiredLrp(process)
    const { instances, routes } = wanted
    try {
      if (!before) this.#bbs.desired.desire(wanted)
      else if (!sameUpdate(before, wanted)) this.#bbs.desired.update(processGuid, create(DesiredLRPUpdateSchema, { instances, routes }))
    } catch (error) {
      if (!(error instanceof BbsError)) throw error
      // Such as more routes than BBS takes (128 KiB); what was there goes on.
      this.#options.log.error({ err: error, process: processGuid }, 'BBS refused a desired process')
      this.emitLog({
        appGuid: process.appGuid,
        instance: '0',
        sourceType: 'API',
        message: `Diego refused the app's new state: ${error.message}`,
        type: 'ERR',
      })
    }
  }

  remove(processGuid: string): void {
    this.#runner.forget(processGuid)
    if (this.#bbs.desired.find(processGuid)) this.#bbs.desired.remove(processGuid)
  }

  instances(processGuid: string): InstanceState[] {
    const count = this.#bbs.desired.find(processGuid)?.instances ?? 0
    return Array.from({ length: count }, (_, index) => this.#instance(processGuid, index))
  }

  restartInstance(processGuid: string, index: number): void {
    if (this.#bbs.actual.find(processGuid, index)) this.#bbs.desired.retire(processGuid, index)
  }

  stage(input: StagingInput, log: (line: string) => void): Promise<StagingResult> {
    return stage(input, join(this.#options.dataDir, 'builds'), log)
  }

  logs(appGuid: string, query: LogQuery): LogEnvelope[] {
    return this.#logs.read(appGuid, query)
  }

  emitLog(envelope: Omit<LogEnvelope, 'timestamp'>): void {
    this.#logs.append(envelope)
  }

  onInstanceChange(listener: (processGuid: string) => void): void {
    this.#bbs.events.subscribe((event) => {
      if (event.cellId !== undefined) listener(event.processGuid)
    })
  }

  onCrash(listener: (crash: Crash) => void): void {
    this.#bbs.events.subscribe(({ name, data }) => {
      if (name !== 'actual_lrp_crashed') return
      const { actualLrpKey, actualLrpInstanceKey, crashCount, crashReason, since } = fromBinary(
        ActualLRPCrashedEventSchema,
        Buffer.from(data, 'base64'),
      )
      listener({
        processGuid: actualLrpKey!.processGuid,
        instanceGuid: actualLrpInstanceKey!.instanceGuid,
        cellId: actualLrpInstanceKey!.cellId,
        index: actualLrpKey!.index,
        count: crashCount,
        reason: crashReason,
        at: Number(since / 1_000_000n),
      })
    })
  }

  #instance(processGuid: string, index: number): InstanceState {
    const lrp = this.#bbs.actual.find(processGuid, index)
    const since = lrp ? Number(lrp.since / 1_000_000n) : Date.now()
    const instanceGuid = lrp?.actualLrpInstanceKey?.instanceGuid ?? ''
    const details = lrp?.placementError || lrp?.crashReason
    return {
      index,
      instanceGuid,
      state: lrp ? states[lrp.state as keyof typeof states] : 'DOWN',
      since,
      uptime: Math.max(0, Math.floor((Date.now() - since) / 1000)),
      ...(details ? { details } : {}),
      host: lrp?.actualLrpNetInfo?.address ?? '',
      ports: (lrp?.actualLrpNetInfo?.ports ?? []).map((port) => ({
        app: port.containerPort,
        external: port.hostPort,
        externalTls: port.hostTlsProxyPort,
      })),
      usage: this.#runner.container(instanceGuid)?.usage() ?? { cpu: 0, memory: 0, disk: 0 },
      ...(lrp?.routable === undefined ? {} : { routable: lrp.routable }),
    }
  }
}

const states = { UNCLAIMED: 'STARTING', CLAIMED: 'STARTING', RUNNING: 'RUNNING', CRASHED: 'CRASHED' } as const

export function createDiego(options: DiegoOptions): EmbeddedDiego {
  return new EmbeddedDiego(options)
}

/** A process as Cloud Controller desires it of BBS. */
export function desiredLrp(process: DesiredProcess): DesiredLRP {
  const { processGuid, appGuid, instances, memoryMb, diskMb, ports, type } = process
  return create(DesiredLRPSchema, {
    processGuid,
    domain,
    rootFs: 'preloaded:cflinuxfs4',
    instances,
    memoryMb,
    diskMb,
    ports,
    routes: routes(process),
    logSource: `APP/PROC/${type.toUpperCase()}`,
    logGuid: appGuid,
    annotation: '',
    metricTags: Object.fromEntries(
      Object.entries({
        source_id: appGuid,
        app_id: appGuid,
        app_name: process.appName,
        space_id: process.spaceGuid,
        space_name: process.spaceName,
        organization_id: process.organizationGuid,
        organization_name: process.organizationName,
        process_id: process.cfProcessGuid,
        process_type: type,
      }).map(([name, value]) => [name, { static: value }]),
    ),
  })
}

/** Routing information as Cloud Controller writes it (its lib/cloud_controller/diego/protocol/routing_info.rb). */
function routes({ routes, internalRoutes }: DesiredProcess): ProtoRoutes {
  const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value))
  return create(ProtoRoutesSchema, {
    routes: {
      'cf-router': json(
        routes.map(({ hostname, port, protocol, options }) => ({
          hostnames: [hostname],
          port,
          ...(protocol ? { protocol } : {}),
          ...(options ? { options } : {}),
        })),
      ),
      'internal-router': json(internalRoutes),
    },
  })
}

function sameUpdate(before: DesiredLRP, after: DesiredLRP): boolean {
  const text = ({ instances, routes }: DesiredLRP): string =>
    JSON.stringify([instances, Object.entries(routes?.routes ?? {}).map(([name, value]) => [name, Buffer.from(value).toString()])])
  return text(before) === text(after)
}
