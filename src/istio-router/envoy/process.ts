import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { Backoff } from '../../common/backoff.ts'
import type { Logger } from '../../common/log.ts'
import { logLine, logFormat } from './log.ts'

export interface EnvoyProcessOptions {
  binary: string
  args: string[]
  /** Its sockets and bootstrap; removed with it if we are killed. */
  folder: string
  log: Logger
  /** Called when it has ended, by itself or not. */
  onExit: () => void
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
  }

  /**
   * Resolves with the reason once Envoy has ended. The access log goes straight to our standard output; Envoy's own log comes on its
   * standard error.
   */
  async #runOnce(): Promise<string> {
    const { binary, args, folder, log } = this.#options
    // A process group of its own, so that Ctrl-C in a terminal reaches only us, and Envoy is drained.
    const child = spawn(binary, [...args, '--log-format', logFormat], { stdio: ['ignore', 'inherit', 'pipe'], detached: true })
    createInterface({ input: child.stderr }).on('line', (line) => logLine(log, line))
    try {
      await once(child, 'spawn')
    } catch (error) {
      return String(error)
    }
    this.#child = child
    const unguard = guard(child.pid ?? 0, folder)
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
    unguard()
    this.#child = undefined
    this.#options.onExit()
    return signal ? `ended by ${signal}` : `exit code ${code}`
  }
}

/**
 * Ends Envoy when we are gone without having been able to (killed, out of memory): a shell of its own process group waits for the end
 * of our pipe. An Envoy that nobody feeds would go on answering beside the one of the next start. Returns a function that ends the guard.
 */
function guard(pid: number, folder: string): () => void {
  const shell = spawn('/bin/sh', ['-c', 'read -r _; kill -9 "$0"; rm -rf -- "$1"', String(pid), folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  shell.on('error', () => {})
  shell.unref()
  return () => shell.kill('SIGKILL')
}
