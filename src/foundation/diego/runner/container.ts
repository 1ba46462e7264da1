import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { extract } from 'tar'
import type { DesiredProcess } from '../../diego.ts'
import { instanceEnvironment, type InstancePort } from './environment.ts'
import { folderSize } from './folder-size.ts'
import { checkHealth } from './health.ts'
import { instanceIdentity, writeSecret } from './identity.ts'
import { limitRate, readLines } from './lines.ts'
import { freePort } from './ports.ts'
import { usageOf } from './proc.ts'
import { ProcessGroup } from './process-group.ts'
import type { RunnerSettings } from './settings.ts'
import { TlsProxy } from './tls-proxy.ts'

/** The port inside a container that Diego's Envoy takes for the app's first port; further ones follow. */
const firstTlsPort = 61001

export type ContainerLog = (sourceType: string, message: string, type?: 'OUT' | 'ERR') => void

/** One instance of an app: its folder, identity, TLS ports and process group, from creation to removal. */
export class Container {
  readonly guid: string
  readonly #process: DesiredProcess
  readonly #index: number
  readonly #settings: RunnerSettings
  readonly #log: ContainerLog
  readonly #folder: string
  readonly #stopped = new AbortController()
  readonly #proxies: TlsProxy[] = []
  #ports: InstancePort[] = []
  #group: ProcessGroup | undefined
  #exited: Promise<string> | undefined
  #renewal: NodeJS.Timeout | undefined
  #cpu = { at: 0, ms: 0, share: 0 }
  #disk = 0

  constructor(guid: string, process: DesiredProcess, index: number, settings: RunnerSettings, log: ContainerLog) {
    this.guid = guid
    this.#process = process
    this.#index = index
    this.#settings = settings
    this.#log = log
    this.#folder = join(settings.containers, guid)
  }

  get ports(): InstancePort[] {
    return this.#ports
  }

  /** `cpu` as a share of one core since it was last asked, `memory` and `disk` in bytes. */
  usage(): { cpu: number; memory: number; disk: number } {
    const pid = this.#group?.pid
    if (!pid) return { cpu: 0, memory: 0, disk: this.#disk }
    const { cpuMs, memory } = usageOf(pid)
    const now = performance.now()
    const elapsed = now - this.#cpu.at
    if (elapsed > 500) this.#cpu = { at: now, ms: cpuMs, share: this.#cpu.at ? Math.max(0, cpuMs - this.#cpu.ms) / elapsed : 0 }
    return { cpu: this.#cpu.share, memory, disk: this.#disk }
  }

  /** Prepares all but the process: the droplet's files, ports and identity. */
  async create(): Promise<void> {
    const app = join(this.#folder, 'app')
    await Promise.all([mkdir(app, { recursive: true }), mkdir(join(this.#folder, 'tmp'), { recursive: true })])
    const [identity] = await Promise.all([this.#identity(), extract({ file: this.#settings.dropletFile(this.#process.dropletGuid), cwd: this.#folder })])
    for (const [position, container] of this.#process.ports.entries()) {
      // Without a container around it, only the first port can be another than the app expects.
      const host = position === 0 ? await freePort() : container
      const proxy = new TlsProxy({
        identity,
        clientCa: this.#settings.routerCa,
        listenHost: this.#settings.address,
        target: { host: this.#settings.address, port: host },
      })
      this.#stopped.signal.throwIfAborted()
      this.#proxies.push(proxy)
      await proxy.start()
      this.#ports.push({ container, host, containerTls: firstTlsPort + position, hostTls: proxy.port })
    }
    this.#stopped.signal.throwIfAborted()
    this.#renewLater()
    folderSize(this.#folder).then(
      (size) => (this.#disk = size),
      () => {},
    )
  }

  /** Starts the process. Resolves when it is healthy; rejects with the crash reason if it ends before or takes too long. */
  async start(): Promise<void> {
    this.#stopped.signal.throwIfAborted()
    const source = this.#source
    this.#group = new ProcessGroup({
      command: this.#process.command,
      folder: join(this.#folder, 'app'),
      environment: this.#environment(),
      pidFile: join(this.#folder, 'pid'),
    })
    const withinRate = limitRate(this.#process.logRateLimit, () =>
      this.#log(source, `app instance exceeded log rate limit (${this.#process.logRateLimit} bytes/sec)`, 'ERR'),
    )
    const line = (type: 'OUT' | 'ERR') => (text: string) => {
      if (withinRate(text)) this.#log(source, text, type)
    }
    readLines(this.#group.child.stdout!, line('OUT'))
    readLines(this.#group.child.stderr!, line('ERR'))
    this.#exited = this.#exit(this.#group)
    await Promise.race([this.#healthy(), this.#exited])
    if (this.#ended) throw new Error(await this.#exited)
  }

  /** Resolves with the reason when the process has ended, or was found unhealthy. */
  async ended(): Promise<string> {
    return Promise.race([this.#exited!, this.#unhealthy()])
  }

  /** Ends the process: SIGTERM, and SIGKILL after the grace period. May be called at any time, and again. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    for (const proxy of this.#proxies) proxy.refuse()
    await this.#group?.stop(this.#settings.stopGraceMs)
  }

  /** Ends what still runs, closes the ports and removes the files. */
  async destroy(): Promise<void> {
    await this.stop()
    clearTimeout(this.#renewal)
    for (const proxy of this.#proxies) proxy.stop()
    await rm(this.#folder, { recursive: true, force: true })
  }

  get #source(): string {
    return `APP/PROC/${this.#process.type.toUpperCase()}`
  }

  get #ended(): boolean {
    const { exitCode, signalCode } = this.#group!.child
    return this.#stopped.signal.aborted || exitCode !== null || signalCode !== null
  }

  async #exit(group: ProcessGroup): Promise<string> {
    const outcome = await group.ended
    if (!this.#stopped.signal.aborted) this.#log(this.#source, outcome.replace('Exited with', 'Exit'))
    return `${this.#source}: ${outcome}`
  }

  async #healthy(): Promise<void> {
    const { startupCheckIntervalMs, startTimeoutMs } = this.#settings
    const timeout = this.#process.healthCheck.timeoutMs ?? startTimeoutMs
    const deadline = Date.now() + timeout
    const { signal } = this.#stopped
    this.#log('CELL', 'Starting health monitoring of container')
    for (;;) {
      signal.throwIfAborted()
      try {
        await this.#check()
        break
      } catch (error) {
        if (this.#ended) return
        if (Date.now() > deadline) {
          this.#log('HEALTH', (error as Error).message, 'ERR')
          this.#log('CELL', `Failed after ${timeout / 1000}s: startup health check never passed.`, 'ERR')
          throw new Error(`Instance never healthy after ${timeout / 1000}s: ${(error as Error).message}`, { cause: error })
        }
      }
      await delay(startupCheckIntervalMs, undefined, { signal })
    }
    this.#log('CELL', 'Container became healthy')
  }

  async #unhealthy(): Promise<string> {
    for (;;) {
      await delay(this.#settings.livenessCheckIntervalMs, undefined, { ref: false })
      if (this.#ended) return this.#exited!
      try {
        // Asked twice, since a machine that is busy for a moment is no crash.
        await this.#check().catch(() => this.#check())
      } catch (error) {
        if (this.#ended) return this.#exited!
        this.#log('HEALTH', (error as Error).message, 'ERR')
        this.#log('CELL', 'Container became unhealthy', 'ERR')
        return `Instance became unhealthy: ${(error as Error).message}`
      }
    }
  }

  async #check(): Promise<void> {
    const { healthCheck } = this.#process
    const port = this.#ports[0]
    if (port) await checkHealth(healthCheck, this.#settings.address, port.host)
  }

  #environment(): Record<string, string> {
    return instanceEnvironment(this.#process, {
      instanceGuid: this.guid,
      index: this.#index,
      address: this.#settings.address,
      ports: this.#ports,
      home: join(this.#folder, 'app'),
      tmp: join(this.#folder, 'tmp'),
      ...this.#identityFiles,
    })
  }

  get #identityFiles(): { certificateFile: string; keyFile: string } {
    return { certificateFile: join(this.#folder, 'identity', 'instance.crt'), keyFile: join(this.#folder, 'identity', 'instance.key') }
  }

  async #identity() {
    const { identityAuthority, address, identityValidityMs } = this.#settings
    const identity = await instanceIdentity(identityAuthority, this.#process, this.guid, address, identityValidityMs)
    this.#stopped.signal.throwIfAborted()
    writeSecret(this.#identityFiles.keyFile, identity.key)
    writeSecret(this.#identityFiles.certificateFile, identity.certificate)
    return identity
  }

  /** Renews the identity half-way to its expiry. */
  #renewLater(): void {
    this.#renewal = setTimeout(() => {
      this.#identity().then(
        (identity) => {
          for (const proxy of this.#proxies) proxy.renew(identity)
          this.#renewLater()
        },
        () => {},
      )
    }, this.#settings.identityValidityMs / 2)
    this.#renewal.unref()
  }
}
