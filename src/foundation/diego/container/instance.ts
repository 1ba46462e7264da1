import { readFileSync } from 'node:fs'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { KeyPair } from '../../../common/pki.ts'
import { type ContainerLine, type ContainerSpec, type ContainerState, identityFiles, pidFiles } from './contract.ts'
import { type InstancePort, instanceEnvironment } from './environment.ts'
import { checkHealth } from './health.ts'
import { limitRate, readLines } from './lines.ts'
import { ProcessGroup } from './process-group.ts'
import { TlsProxy } from './tls-proxy.ts'

/** The port inside a container that Diego's Envoy takes for the app's first port; further ones follow. */
const firstTlsPort = 61001

export interface Watcher {
  changed: () => void
  log: (line: ContainerLine) => void
}

/** One instance of an app: its TLS ports, its process group and its health. */
export class Instance {
  readonly #folder: string
  readonly #spec: ContainerSpec
  readonly #watcher: Watcher
  readonly #stopped = new AbortController()
  readonly #proxies: TlsProxy[] = []
  #group: ProcessGroup | undefined
  #state: ContainerState = { phase: 'starting', ports: [] }

  constructor(folder: string, spec: ContainerSpec, watcher: Watcher) {
    this.#folder = folder
    this.#spec = spec
    this.#watcher = watcher
  }

  get state(): ContainerState {
    return this.#state
  }

  /** Opens the ports, starts the app and watches it to its end. Never rejects. */
  async run(): Promise<void> {
    try {
      await this.#openPorts()
      const group = this.#startApp()
      const exited = group.ended.then((outcome) => {
        if (!this.#stopped.signal.aborted) this.#log(this.#source, outcome.replace('Exited with', 'Exit'))
        return `${this.#source}: ${outcome}`
      })
      const failed = await Promise.race([this.#healthy(), exited])
      if (failed) return this.#change({ phase: 'ended', reason: failed })
      this.#change({ phase: 'running', runningSince: Date.now() })
      this.#change({ phase: 'ended', reason: await Promise.race([this.#unhealthy(), exited]) })
    } catch (error) {
      this.#change({ phase: 'ended', reason: (error as Error).message })
    }
  }

  /** Ends the app: nobody is let in any more, SIGTERM, and SIGKILL after the grace period. Resolves when all its output was read. */
  async stop(): Promise<void> {
    this.#change({ phase: 'stopping' })
    this.#stopped.abort()
    for (const proxy of this.#proxies) proxy.refuse()
    const group = this.#group
    if (group) {
      const closed = once(group.child, 'close')
      const done = group.child.stdout?.closed && group.child.stderr?.closed
      await group.stop(this.#spec.stopGraceMs)
      if (!done) await Promise.race([closed, delay(1000)])
    }
    for (const proxy of this.#proxies) proxy.stop()
  }

  /** Shows the certificate that lies in the folder now. */
  renew(): void {
    const identity = this.#identity()
    for (const proxy of this.#proxies) proxy.renew(identity)
  }

  get #source(): string {
    return `APP/PROC/${this.#spec.process.type.toUpperCase()}`
  }

  async #openPorts(): Promise<void> {
    const { address, routerCa, routerNames } = this.#spec
    const identity = this.#identity()
    const ports: InstancePort[] = []
    for (const [position, { container, host }] of this.#spec.ports.entries()) {
      const proxy = new TlsProxy({
        identity,
        clientCa: routerCa,
        clientNames: routerNames,
        listenHost: address,
        target: { host: address, port: host },
      })
      this.#proxies.push(proxy)
      await proxy.start()
      ports.push({ container, host, containerTls: firstTlsPort + position, hostTls: proxy.port })
    }
    this.#stopped.signal.throwIfAborted()
    this.#change({ ports })
  }

  #startApp(): ProcessGroup {
    const { process, instanceGuid, index, address } = this.#spec
    const home = join(this.#folder, 'app')
    const group = new ProcessGroup({
      command: process.command,
      folder: home,
      environment: instanceEnvironment(process, {
        instanceGuid,
        index,
        address,
        ports: this.#state.ports,
        home,
        tmp: join(this.#folder, 'tmp'),
        certificateFile: join(this.#folder, identityFiles.certificate),
        keyFile: join(this.#folder, identityFiles.key),
      }),
      pidFile: join(this.#folder, pidFiles.app),
    })
    this.#group = group
    if (group.pid) this.#change({ pid: group.pid })
    const withinRate = limitRate(process.logRateLimit, () =>
      this.#log(this.#source, `app instance exceeded log rate limit (${process.logRateLimit} bytes/sec)`, 'ERR'),
    )
    const line = (type: 'OUT' | 'ERR') => (text: string) => {
      if (withinRate(text)) this.#log(this.#source, text, type)
    }
    readLines(group.child.stdout!, line('OUT'))
    readLines(group.child.stderr!, line('ERR'))
    return group
  }

  /** Resolves once the app is healthy, or with the reason why it is given up. */
  async #healthy(): Promise<string | undefined> {
    const { startupCheckIntervalMs, startTimeoutMs, process } = this.#spec
    const timeout = process.healthCheck.timeoutMs ?? startTimeoutMs
    const deadline = Date.now() + timeout
    const { signal } = this.#stopped
    this.#log('CELL', 'Starting health monitoring of container')
    for (;;) {
      signal.throwIfAborted()
      try {
        await this.#check()
        break
      } catch (error) {
        if (this.#ended) return this.#never()
        if (Date.now() > deadline) {
          this.#log('HEALTH', (error as Error).message, 'ERR')
          this.#log('CELL', `Failed after ${timeout / 1000}s: startup health check never passed.`, 'ERR')
          return `Instance never healthy after ${timeout / 1000}s: ${(error as Error).message}`
        }
      }
      await delay(startupCheckIntervalMs, undefined, { signal })
    }
    // Another program may answer at the port of an app that has just ended.
    if (this.#ended) return this.#never()
    this.#log('CELL', 'Container became healthy')
    return undefined
  }

  /** Resolves with the reason once the app is unhealthy. */
  async #unhealthy(): Promise<string> {
    for (;;) {
      await delay(this.#spec.livenessCheckIntervalMs)
      if (this.#ended) return this.#never()
      try {
        // Asked twice, since a machine that is busy for a moment is no crash.
        await this.#check().catch(() => this.#check())
      } catch (error) {
        if (this.#ended) return this.#never()
        this.#log('HEALTH', (error as Error).message, 'ERR')
        this.#log('CELL', 'Container became unhealthy', 'ERR')
        return `Instance became unhealthy: ${(error as Error).message}`
      }
    }
  }

  async #check(): Promise<void> {
    const [port] = this.#spec.ports
    if (port) await checkHealth(this.#spec.process.healthCheck, this.#spec.address, port.host)
  }

  get #ended(): boolean {
    const { exitCode, signalCode } = this.#group!.child
    return this.#stopped.signal.aborted || exitCode !== null || signalCode !== null
  }

  /** Leaves the word to the app's own end. */
  #never(): Promise<never> {
    return new Promise(() => {})
  }

  #identity(): KeyPair {
    const read = (file: string): string => readFileSync(join(this.#folder, file), 'utf8')
    return { certificate: read(identityFiles.certificate), key: read(identityFiles.key) }
  }

  #change(change: Partial<ContainerState>): void {
    // Whoever asked it to stop waits for that, not for how the app ended.
    if (this.#state.phase === 'stopping') return
    this.#state = { ...this.#state, ...change }
    this.#watcher.changed()
  }

  #log(sourceType: string, message: string, type: 'OUT' | 'ERR' = 'OUT'): void {
    this.#watcher.log({ sourceType, message, type })
  }
}
