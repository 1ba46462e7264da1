import { spawn } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { extract } from 'tar'
import { endGroup } from '../../../common/process-group.ts'
import { usageOf } from '../../../common/proc.ts'
import { type ContainerSpec, type ContainerState, controlSocket, identityFiles, pidFiles, specFile } from '../container/contract.ts'
import type { InstancePort } from '../container/environment.ts'
import { Connection } from './connection.ts'
import { folderSize } from './folder-size.ts'
import { instanceIdentity, writeSecret } from './identity.ts'
import { freePort } from './ports.ts'
import type { RunnerSettings } from './settings.ts'

const containerMain = resolve(import.meta.dirname, '../container/main.ts')

export type ContainerLog = (sourceType: string, message: string, type?: 'OUT' | 'ERR') => void
export type ContainerPlan = Pick<ContainerSpec, 'instanceGuid' | 'index' | 'cell' | 'process'>

/**
 * One container from creation to removal, as its cell sees it: the folder, and the process in `../container` that owns app and TLS ports.
 */
export class Container {
  readonly plan: ContainerPlan
  readonly #settings: RunnerSettings
  readonly #log: ContainerLog
  readonly #folder: string
  readonly #stopped = new AbortController()
  #connection: Connection | undefined
  #renewal: NodeJS.Timeout | undefined
  #cpu = { at: 0, ms: 0, share: 0 }
  #disk = 0

  constructor(plan: ContainerPlan, settings: RunnerSettings, log: ContainerLog) {
    this.plan = plan
    this.#settings = settings
    this.#log = log
    this.#folder = join(settings.containers, plan.instanceGuid)
  }

  /** Takes over a container that an earlier foundation left. What cannot be taken over is ended and removed, and undefined answered. */
  static async adopt(guid: string, settings: RunnerSettings, log: (plan: ContainerPlan) => ContainerLog): Promise<Container | undefined> {
    const folder = join(settings.containers, guid)
    try {
      const plan = JSON.parse(readFileSync(join(folder, specFile), 'utf8')) as ContainerSpec
      const container = new Container(plan, settings, log(plan))
      const { phase } = await container.#connect()
      if (phase !== 'stopping') {
        container.#afterCreation()
        return container
      }
      await container.destroy()
    } catch {
      await endContainer(folder)
      await rm(folder, { recursive: true, force: true })
    }
    return undefined
  }

  get guid(): string {
    return this.plan.instanceGuid
  }

  /** Whether there is all that its process needs. */
  get created(): boolean {
    return this.#renewal !== undefined
  }

  get ports(): InstancePort[] {
    return this.#connection?.state.ports ?? []
  }

  /** When it became healthy, milliseconds since 1970; undefined unless it runs. */
  get runningSince(): number | undefined {
    const state = this.#connection?.state
    return state?.phase === 'running' ? state.runningSince : undefined
  }

  /** `cpu` as a share of one core since it was last asked, `memory` and `disk` in bytes. */
  usage(): { cpu: number; memory: number; disk: number } {
    const pid = this.#connection?.state.pid
    if (!pid) return { cpu: 0, memory: 0, disk: this.#disk }
    const { cpuMs, memory } = usageOf(pid)
    const now = performance.now()
    const elapsed = now - this.#cpu.at
    if (elapsed > 500) this.#cpu = { at: now, ms: cpuMs, share: this.#cpu.at ? Math.max(0, cpuMs - this.#cpu.ms) / elapsed : 0 }
    return { cpu: this.#cpu.share, memory, disk: this.#disk }
  }

  /** Prepares what its process needs: the droplet's files, ports and identity. */
  async create(): Promise<void> {
    const { process } = this.plan
    const {
      address,
      routerCa,
      routerNames,
      stopGraceMs,
      startupCheckIntervalMs,
      livenessCheckIntervalMs,
      startTimeoutMs,
      handoverMs,
      dropletFile,
    } = this.#settings
    await Promise.all(['app', 'tmp'].map((name) => mkdir(join(this.#folder, name), { recursive: true })))
    await Promise.all([this.#identify(), extract({ file: dropletFile(process.dropletGuid), cwd: this.#folder })])
    const ports: ContainerSpec['ports'] = []
    // Without a container around it, only the first port can be another than the app expects.
    for (const [position, container] of process.ports.entries())
      ports.push({ container, host: position === 0 ? await freePort() : container })
    this.#stopped.signal.throwIfAborted()
    const spec: ContainerSpec = {
      ...this.plan,
      address,
      ports,
      routerCa,
      routerNames,
      stopGraceMs,
      startupCheckIntervalMs,
      livenessCheckIntervalMs,
      startTimeoutMs,
      handoverMs,
    }
    writeSecret(join(this.#folder, specFile), JSON.stringify(spec))
    this.#afterCreation()
  }

  /**
   * Starts its process, unless it was taken over. Resolves when the app is healthy; rejects with the crash reason if it ends before or
   * takes too long.
   */
  async start(): Promise<void> {
    this.#stopped.signal.throwIfAborted()
    if (!this.#connection) await this.#launch()
    const { phase, reason } = await this.#connection!.until((state) => state.phase !== 'starting')
    if (phase !== 'running') throw new Error(reason)
  }

  /** Resolves with the reason when the app has ended, or was found unhealthy. */
  async ended(): Promise<string> {
    const { reason } = await this.#connection!.until(({ phase }) => phase === 'ended' || phase === 'stopping')
    return reason ?? ''
  }

  /** Ends the app and its process. May be called at any time, and again. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    const connection = this.#connection
    if (!connection) return
    connection.order('stop')
    await Promise.race([connection.closed, delay(this.#settings.stopGraceMs + 5000, undefined, { ref: false })])
  }

  /** Ends what still runs and removes the files. */
  async destroy(): Promise<void> {
    await this.stop()
    clearTimeout(this.#renewal)
    this.#connection?.close()
    await endContainer(this.#folder)
    await rm(this.#folder, { recursive: true, force: true })
  }

  /** Leaves it to the next foundation. False if there is no process yet that could be left. */
  release(): boolean {
    clearTimeout(this.#renewal)
    this.#connection?.close()
    return this.#connection !== undefined
  }

  async #launch(): Promise<void> {
    const child = spawn(process.execPath, [containerMain, this.#folder], {
      detached: true,
      env: { PATH: process.env['PATH'] },
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    child.unref()
    const failed = new Promise<never>((_resolve, reject) => {
      child.once('error', reject)
      child.once('exit', (status, signal) => reject(new Error(`container process ended: ${signal ?? `status ${status}`}`)))
    })
    failed.catch(() => {})
    const socket = join(this.#folder, controlSocket)
    while (!existsSync(socket)) await Promise.race([delay(5), failed])
    await Promise.race([this.#connect(), failed])
  }

  async #connect(): Promise<ContainerState> {
    this.#connection = await Connection.open(join(this.#folder, controlSocket), ({ sourceType, message, type }) =>
      this.#log(sourceType, message, type),
    )
    if (this.#stopped.signal.aborted) this.#connection.order('stop')
    return this.#connection.state
  }

  #afterCreation(): void {
    this.#renewLater()
    folderSize(this.#folder).then(
      (size) => (this.#disk = size),
      () => {},
    )
  }

  async #identify(): Promise<void> {
    const { identityAuthority, address, identityValidityMs } = this.#settings
    const identity = await instanceIdentity(identityAuthority, this.plan.process, this.guid, address, identityValidityMs)
    this.#stopped.signal.throwIfAborted()
    writeSecret(join(this.#folder, identityFiles.key), identity.key)
    writeSecret(join(this.#folder, identityFiles.certificate), identity.certificate)
  }

  /** Renews the identity half-way to its expiry. */
  #renewLater(): void {
    const { validTo } = new X509Certificate(readFileSync(join(this.#folder, identityFiles.certificate)))
    const due = Date.parse(validTo) - this.#settings.identityValidityMs / 2
    this.#renewal = setTimeout(
      () => {
        this.#identify().then(
          () => {
            this.#connection?.order('renew')
            this.#renewLater()
          },
          () => {},
        )
      },
      Math.max(0, due - Date.now()),
    )
    this.#renewal.unref()
  }
}

/** Ends what runs in a container's folder, without asking. */
async function endContainer(folder: string): Promise<void> {
  for (const file of Object.values(pidFiles)) await endGroup(join(folder, file))
}
