import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import type { Rendered } from './jobs.ts'
import { Prefix } from './prefix.ts'

export interface Instance {
  group: string
  index: number
  id: string
  az: string
  address: string
  jobs: string[]
}

/** A VM as BOSH's agent runs it: the life of its jobs by their own scripts. bpm and monit are emulated. */
export class Vm {
  readonly instance: Instance
  readonly prefix = new Prefix()
  #environment: Record<string, string> = {}

  constructor(instance: Instance) {
    this.instance = instance
    this.#tool('jobs/bpm/bin/bpm', 'bpm.ts')
    this.#tool('bosh/bin/monit', 'monit.ts')
  }

  /** The file with the names that BOSH DNS would answer. */
  resolveBy(hostsFile: string): void {
    this.#environment = { MESH_TEST_HOSTS: hostsFile, NODE_OPTIONS: `--import=${join(import.meta.dirname, 'resolver.ts')}` }
  }

  install(job: string, rendered: Rendered): void {
    this.prefix.install(job, rendered)
  }

  /** What the agent does for a start: pre-start scripts, monit, post-start scripts. */
  async start(): Promise<void> {
    await this.#each('bin/pre-start')
    for (const job of this.instance.jobs) if (this.#monitored(job)) await this.run(this.prefix.path('bosh/bin/monit'), ['start', job])
    await this.#each('bin/post-start')
  }

  /** What the agent does for a stop: drain scripts, all at once, then monit. Answers how often each was asked. */
  async stop(): Promise<Record<string, number>> {
    const asked = await Promise.all(this.instance.jobs.map(async (job) => [job, await this.#drain(job)] as const))
    for (const job of this.instance.jobs) if (this.#monitored(job)) await this.run(this.prefix.path('bosh/bin/monit'), ['stop', job])
    return Object.fromEntries(asked)
  }

  /** Runs a program as root on the VM would; throws with what it wrote where it fails. */
  async run(program: string, args: string[] = [], environment: Record<string, string> = {}): Promise<string> {
    const child = spawn(program, args, {
      env: { PATH: process.env['PATH'], ...this.#environment, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close') as Promise<[number]>])
    if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}: ${stderr}${stdout}`)
    return stdout
  }

  log(job: string, name = `${job}.stdout.log`): string {
    const file = this.prefix.path('sys/log', job, name)
    return existsSync(file) ? readFileSync(file, 'utf8') : ''
  }

  async discard(): Promise<void> {
    for (const job of this.instance.jobs)
      if (this.#monitored(job)) await this.run(this.prefix.path('bosh/bin/monit'), ['stop', job]).catch(() => {})
    this.prefix.discard()
  }

  #monitored(job: string): boolean {
    const file = this.prefix.path('jobs', job, 'monit')
    return existsSync(file) && readFileSync(file, 'utf8').includes('check process')
  }

  async #each(script: string): Promise<void> {
    await Promise.all(
      this.instance.jobs.map(async (job) => {
        const file = this.prefix.path('jobs', job, script)
        if (existsSync(file)) await this.run(file)
      }),
    )
  }

  /** BOSH's drain protocol: a negative answer asks to wait as many seconds and come again. */
  async #drain(job: string): Promise<number> {
    const script = this.prefix.path('jobs', job, 'bin/drain')
    if (!existsSync(script)) return 0
    for (let asked = 1; ; asked++) {
      const answer = Number(
        (await this.run(script, asked === 1 ? ['job_shutdown', 'hash_unchanged'] : ['job_check_status', 'hash_unchanged'])).trim(),
      )
      if (!Number.isInteger(answer)) throw new Error(`${job}: drain answers no integer`)
      await delay(Math.abs(answer) * 1000)
      if (answer >= 0) return asked
    }
  }

  /** A command of the VM that is one of our programs. */
  #tool(path: string, program: string): void {
    const file = this.prefix.path(path)
    mkdirSync(join(file, '..'), { recursive: true })
    writeFileSync(file, `#!/bin/bash\nexec '${process.execPath}' '${join(import.meta.dirname, program)}' '${this.prefix.folder}' "$@"\n`, {
      mode: 0o755,
    })
  }
}
