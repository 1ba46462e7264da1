import { existsSync, readdirSync, readFileSync } from 'node:fs'

/** The same on every Linux that Node's releases run on. */
const pageSize = 4096
const msPerTick = 10

export interface ProcessStat {
  pid: number
  /** `R`, `S`, ..., `Z` for one that has ended and waits for its parent. */
  state: string
  group: number
  /** CPU time, clock ticks. */
  ticks: number
  /** Clock ticks after boot. */
  started: number
  /** Resident memory, bytes. */
  memory: number
}

/** What Linux says of a process; undefined if there is none. */
export function stat(pid: number): ProcessStat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is the command in parentheses, and may itself hold spaces and parentheses.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return {
      pid,
      state: fields[0]!,
      group: Number(fields[2]),
      ticks: Number(fields[11]) + Number(fields[12]),
      started: Number(fields[19]),
      memory: Number(fields[21]) * pageSize,
    }
  } catch {
    return undefined
  }
}

/** The processes of a group that have not ended. */
export function membersOf(group: number): ProcessStat[] {
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
