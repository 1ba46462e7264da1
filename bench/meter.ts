import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

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
  return pids
    .map(usageOfOne)
    .reduce((a, b) => ({ cpu: a.cpu + b.cpu, read: a.read + b.read, written: a.written + b.written }), { cpu: 0, read: 0, written: 0 })
}

/** Resident memory, bytes: now, or at its highest so far. */
export function residentMemory(pids: number[], field: 'VmRSS' | 'VmHWM' = 'VmRSS'): number {
  return pids.reduce((sum, pid) => sum + 1024 * Number(new RegExp(`${field}:\\s+(\\d+)`).exec(read(`/proc/${pid}/status`))?.[1] ?? 0), 0)
}

export function usedSince(before: Usage, after: Usage): Usage {
  return { cpu: after.cpu - before.cpu, read: after.read - before.read, written: after.written - before.written }
}

interface Work {
  /** Makes `count` changes. */
  run: () => Promise<void>
  count: number
  /** Milliseconds from the last change until idleness is measured. */
  settle: number
  /** How long it is measured where the changes took `busy` milliseconds. */
  idleFor: (busy: number) => number
}

/** What one change costs each process, less what as much time costs without any change. */
export async function costOfEach(
  processes: Record<string, number[]>,
  { run, count, settle, idleFor }: Work,
): Promise<Record<string, Usage>> {
  const now = (): Record<string, Usage> => Object.fromEntries(Object.entries(processes).map(([name, pids]) => [name, usageOf(pids)]))
  const begin = now()
  const began = performance.now()
  await run()
  const end = now()
  const busy = performance.now() - began
  await delay(settle)
  const idleBegin = now()
  await delay(idleFor(busy))
  const idleEnd = now()
  return Object.fromEntries(
    Object.keys(processes).map((name) => {
      const used = usedSince(begin[name]!, end[name]!)
      const idle = usedSince(idleBegin[name]!, idleEnd[name]!)
      const share = (key: keyof Usage): number => Math.max(0, used[key] - (idle[key] * busy) / idleFor(busy)) / count
      return [name, { cpu: share('cpu'), read: share('read'), written: share('written') }]
    }),
  )
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
