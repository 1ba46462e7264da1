import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { membersOf, stat } from './proc.ts'

/** Notes a process group by its leader, so that a later process finds it, and takes no other for it that has since got its number. */
export function noteGroup(file: string, pid: number): void {
  writeFileSync(file, `${pid} ${stat(pid)?.started ?? 0}`)
}

/** Ends the process group noted in `file`, if it still runs: SIGTERM where there is a grace period, and SIGKILL after it. */
export async function endGroup(file: string, graceMs = 0): Promise<void> {
  const group = notedGroup(file)
  if (group === undefined) return
  if (graceMs) signalGroup(group, 'SIGTERM')
  for (const deadline = Date.now() + graceMs; Date.now() < deadline && membersOf(group).length;) await delay(50)
  signalGroup(group, 'SIGKILL')
}

export function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (!pid || pid <= 1) return
  try {
    process.kill(-pid, signal)
  } catch {
    // It has ended.
  }
}

function notedGroup(file: string): number | undefined {
  if (!existsSync(file)) return undefined
  const [pid, started] = readFileSync(file, 'utf8').split(' ').map(Number) as [number, number]
  const members = membersOf(pid)
  const leader = members.find((process) => process.pid === pid)
  const ours = leader ? leader.started === started : members.every((process) => process.started >= started)
  return members.length && ours ? pid : undefined
}
