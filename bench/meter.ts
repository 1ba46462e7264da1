import { readdirSync, readFileSync } from 'node:fs'

/** What processes have used so far. */
export interface Usage {
  /** CPU time, milliseconds. */
  cpu: number
  /** Bytes read and written by system calls: sockets, pipes and files. */
  read: number
  written: number
}

/** CPU time of every thread, and bytes; of processes that are gone nothing. */
export function usageOf(pids: number[]): Usage {
  return pids.map(usageOfOne).reduce((a, b) => ({ cpu: a.cpu + b.cpu, read: a.read + b.read, written: a.written + b.written }), { cpu: 0, read: 0, written: 0 })
}

/** Resident memory, bytes: now, or at its highest so far. */
export function residentMemory(pids: number[], field: 'VmRSS' | 'VmHWM' = 'VmRSS'): number {
  return pids.reduce((sum, pid) => sum + 1024 * Number(new RegExp(`${field}:\\s+(\\d+)`).exec(read(`/proc/${pid}/status`))?.[1] ?? 0), 0)
}

export function usedSince(before: Usage, after: Usage): Usage {
  return { cpu: after.cpu - before.cpu, read: after.read - before.read, written: after.written - before.written }
}

function usageOfOne(pid: number): Usage {
  const io = read(`/proc/${pid}/io`)
  const field = (name: string): number => Number(new RegExp(`^${name}: (\\d+)`, 'm').exec(io)?.[1] ?? 0)
  return { cpu: cpuOf(pid), read: field('rchar'), written: field('wchar') }
}

/** From the scheduler's own count in nanoseconds, thread by thread; /proc/PID/stat counts in ticks of 10 ms. */
function cpuOf(pid: number): number {
  const threads = list(`/proc/${pid}/task`)
  return threads.reduce((sum, thread) => sum + Number(read(`/proc/${pid}/task/${thread}/schedstat`).split(' ', 1)[0]) / 1e6, 0)
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
