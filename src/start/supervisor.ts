import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { openSync, closeSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { request } from 'undici'
import { Backoff } from '../common/backoff.ts'
import { problem } from '../common/problem.ts'

export const ProgramFailed = problem(
  'MESH_PROGRAM_FAILED',
  500,
  (name: string, log: string) => `${name} does not become ready; its log says why: ${log}`,
)

export interface Program {
  name: string
  /** The program's main file. */
  main: string
  /** Its YAML configuration. */
  config: string
  /** File that takes its standard output and error. */
  log: string
  /** URL that answers 200 once it is ready. */
  ready: string
}

/** One program as a child process, started again with backoff whenever it ends by itself. */
export class SupervisedProgram {
  readonly program: Program
  readonly #spawned: () => void
  #child: ChildProcess | undefined
  readonly #stopping = new AbortController()
  #supervision = Promise.resolve()

  /** `spawned` is called each time the program has a new process id. */
  constructor(program: Program, spawned: () => void) {
    this.program = program
    this.#spawned = spawned
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  start(): void {
    this.#supervision = this.#supervise()
  }

  /** Resolves when the program is ready; throws `MESH_PROGRAM_FAILED` after `limit` milliseconds. */
  async ready(limit = 30_000): Promise<void> {
    for (const end = Date.now() + limit; Date.now() < end; await delay(50)) {
      const status = await request(this.program.ready).then(
        async ({ statusCode, body }) => {
          await body.dump()
          return statusCode
        },
        () => 0,
      )
      if (status === 200) return
    }
    throw ProgramFailed(this.program.name, this.program.log)
  }

  /** Asks the program to end, and kills it after `limit` milliseconds. */
  async stop(limit = 15_000): Promise<void> {
    this.#stopping.abort()
    const child = this.#child
    if (child && child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM')
      const killer = setTimeout(() => child.kill('SIGKILL'), limit)
      await once(child, 'exit')
      clearTimeout(killer)
    }
    await this.#supervision
  }

  async #supervise(): Promise<void> {
    const backoff = new Backoff({ min: 100, max: 5000 })
    while (!this.#stopping.signal.aborted) {
      const began = Date.now()
      await this.#runOnce()
      if (Date.now() - began > 10_000) backoff.reset()
      await backoff.wait(this.#stopping.signal).catch(() => {})
    }
  }

  async #runOnce(): Promise<void> {
    const output = openSync(this.program.log, 'a', 0o600)
    try {
      // A process group of its own: Ctrl-C reaches the supervisor only, which then stops everything in order.
      const child = spawn(process.execPath, [this.program.main, '--config', this.program.config], {
        stdio: ['ignore', output, output],
        detached: true,
      })
      this.#child = child
      this.#spawned()
      await Promise.race([once(child, 'exit'), once(child, 'error')])
    } finally {
      closeSync(output)
    }
  }
}
