import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

/** What Linux gives in /proc on every platform that Node's releases run on. */
const pageSize = 4096
const msPerTick = 10

const shell = existsSync('/bin/bash') ? '/bin/bash' : '/bin/sh'

export interface GroupOptions {
  command: string
  folder: string
  environment: Record<string, string>
  /** Where the group's id is noted, so that a later start finds what a killed one left behind. */
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
    if (this.child.pid) writeFileSync(pidFile, `${this.child.pid} ${startTime(this.child.pid)}`)
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

/** Kills the process group noted in `pidFile` if it still runs. A number that other processes have since got is left alone. */
export function killOrphans(pidFile: string): void {
  let pid: number
  let started: string | undefined
  try {
    const [first, second] = readFileSync(pidFile, 'utf8').split(' ')
    pid = Number(first)
    started = second
  } catch {
    return
  }
  const members = membersOf(pid)
  const leader = members.find((process) => process.pid === pid)
  const ours = leader ? leader.started === started : members.every((process) => Number(process.started) >= Number(started))
  if (members.length && ours) signalGroup(pid, 'SIGKILL')
}

function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (!pid || pid <= 1) return
  try {
    process.kill(-pid, signal)
  } catch {
    // It has ended.
  }
}

interface ProcessStat {
  pid: number
  /** `R`, `S`, ..., `Z` for one that has ended and waits for its parent. */
  state: string
  group: number
  /** CPU time, clock ticks. */
  ticks: number
  /** Clock ticks after boot. */
  started: string
  /** Resident memory, bytes. */
  memory: number
}

function startTime(pid: number): string {
  return stat(pid)?.started ?? '0'
}

function stat(pid: number): ProcessStat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is the command in parentheses, and may itself hold spaces and parentheses.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return {
      pid,
      state: fields[0]!,
      group: Number(fields[2]),
      ticks: Number(fields[11]) + Number(fields[12]),
      started: fields[19]!,
      memory: Number(fields[21]) * pageSize,
    }
  } catch {
    return undefined
  }
}

/** The processes of a group that have not ended. */
function membersOf(group: number): ProcessStat[] {
  const names = existsSync('/proc') ? readdirSync('/proc') : []
  return names
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => stat(Number(name)) ?? [])
    .filter((process) => process.group === group && process.state !== 'Z')
}

/** CPU time in milliseconds and resident memory in bytes of a process and its children. */
export function usageOf(pid: number): { cpuMs: number; memory: number } {
  const members = descendants(pid).flatMap((member) => stat(member) ?? [])
  return {
    cpuMs: members.reduce((sum, { ticks }) => sum + ticks * msPerTick, 0),
    memory: members.reduce((sum, { memory }) => sum + memory, 0),
  }
}

function descendants(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
    return [pid, ...children.flatMap(descendants)]
  } catch {
    return [pid]
  }
}
