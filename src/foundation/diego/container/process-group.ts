import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { membersOf } from '../../../common/proc.ts'
import { noteGroup, signalGroup } from '../../../common/process-group.ts'

const shell = existsSync('/bin/bash') ? '/bin/bash' : '/bin/sh'

export interface GroupOptions {
  command: string
  folder: string
  environment: Record<string, string>
  /** Where the group is noted, so that it is found if we are killed. */
  pidFile: string
}

/** A command with all its children: one process group, which is signalled and ends as a whole. */
export class ProcessGroup {
  readonly child: ChildProcess
  /** How it ended: an exit status or signal. Never rejects. */
  readonly ended: Promise<string>
  #stopping = false

  constructor({ command, folder, environment, pidFile }: GroupOptions) {
    this.child = spawn(shell, ['-c', command], { cwd: folder, env: environment, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
    this.ended = this.#end()
    if (!this.pid) return
    try {
      noteGroup(pidFile, this.pid)
    } catch (error) {
      signalGroup(this.pid, 'SIGKILL')
      throw error
    }
  }

  get pid(): number | undefined {
    return this.child.pid
  }

  /** SIGTERM to all, and SIGKILL to what is left after `graceMs`. Resolves when all have ended. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true
    signalGroup(this.pid, 'SIGTERM')
    const deadline = Date.now() + graceMs
    while (Date.now() < deadline && this.#runs()) await Promise.race([this.ended.then(() => delay(50)), delay(50)])
    signalGroup(this.pid, 'SIGKILL')
    await this.ended
  }

  #runs(): boolean {
    const { pid, exitCode, signalCode } = this.child
    if (!pid) return false
    return (exitCode === null && signalCode === null) || membersOf(pid).length > 0
  }

  async #end(): Promise<string> {
    try {
      const [status, signal] = (await once(this.child, 'exit')) as [number | null, NodeJS.Signals | null]
      return signal ? `Terminated by ${signal}` : `Exited with status ${status}`
    } catch (error) {
      return `Failed to start: ${(error as Error).message}`
    } finally {
      // While it is being stopped, its children have their time too.
      if (!this.#stopping) signalGroup(this.pid, 'SIGKILL')
    }
  }
}
