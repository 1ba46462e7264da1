import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { Backoff } from '../../common/backoff.ts'
import type { Logger } from '../../common/log.ts'
import { logLine, logFormat } from './log.ts'

export interface EnvoyProcessOptions {
  binary: string
  args: string[]
  /** Remembers the process's id, so that an Envoy that outlived us is found. */
  pidFile: string
  log: Logger
}

/** Runs Envoy and starts it anew, with backoff, whenever it ends by itself. */
export class EnvoyProcess {
  readonly #options: EnvoyProcessOptions
  readonly #stop = new AbortController()
  #child: ChildProcess | undefined
  #running: Promise<void> | undefined
  #restarts = 0
  #lastExit: string | undefined

  constructor(options: EnvoyProcessOptions) {
    this.#options = options
  }

  /** How often it ended by itself. */
  get restarts(): number {
    return this.#restarts
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Why it isn't running; undefined while it is. */
  get down(): string | undefined {
    return this.#child ? undefined : (this.#lastExit ?? 'not started yet')
  }

  async start(): Promise<void> {
    await this.#endLeftover()
    this.#running = this.#supervise()
  }

  /** Ends Envoy; kills it if that takes longer than five seconds. */
  async stop(): Promise<void> {
    this.#stop.abort()
    const child = this.#child
    child?.kill('SIGTERM')
    const timer = setTimeout(() => child?.kill('SIGKILL'), 5000)
    await this.#running
    clearTimeout(timer)
  }

  async #supervise(): Promise<void> {
    const { signal } = this.#stop
    const backoff = new Backoff({ min: 100, max: 10_000 })
    while (!signal.aborted) {
      const startedAt = Date.now()
      this.#lastExit = await this.#runOnce()
      if (signal.aborted) break
      this.#restarts++
      if (Date.now() - startedAt > 10_000) backoff.reset()
      this.#options.log.error({ reason: this.#lastExit, restarts: this.#restarts }, 'Envoy ended; starting it again')
      await backoff.wait(signal).catch(() => {})
    }
    rmSync(this.#options.pidFile, { force: true })
  }

  /** Resolves with the reason once Envoy has ended. The access log goes straight to our standard output; Envoy's own log comes on its standard error. */
  async #runOnce(): Promise<string> {
    const { binary, args, pidFile, log } = this.#options
    const child = spawn(binary, [...args, '--log-format', logFormat], { stdio: ['ignore', 'inherit', 'pipe'] })
    createInterface({ input: child.stderr }).on('line', (line) => logLine(log, line))
    try {
      await once(child, 'spawn')
    } catch (error) {
      return String(error)
    }
    this.#child = child
    writeFileSync(pidFile, `${child.pid} ${binary}`, { mode: 0o600 })
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
    this.#child = undefined
    return signal ? `ended by ${signal}` : `exit code ${code}`
  }

  /** Ends the Envoy of an earlier run that was killed itself: until now it kept serving, but nobody feeds it any more. */
  async #endLeftover(): Promise<void> {
    const { pidFile, log } = this.#options
    const pid = leftover(pidFile)
    if (pid === undefined) return
    log.warn({ pid }, 'ending the Envoy of an earlier run')
    process.kill(pid, 'SIGTERM')
    for (const end = Date.now() + 5000; leftover(pidFile) !== undefined; await delay(20)) {
      if (Date.now() > end) process.kill(pid, 'SIGKILL')
    }
  }
}

/** The process that a pid file names, if it is still there and still runs that binary. */
function leftover(pidFile: string): number | undefined {
  try {
    const [pid, binary] = readFileSync(pidFile, 'utf8').split(/ (.*)/)
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[0] === binary ? Number(pid) : undefined
  } catch {
    return undefined
  }
}
