import { execFileSync } from 'node:child_process'
import { existsSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { problem } from '../common/problem.ts'
import { endGroup } from '../common/process-group.ts'

export const AlreadyRunning = problem(
  'MESH_ALREADY_RUNNING',
  409,
  (pid: number, folder: string) =>
    `npm start already runs with ${folder} (process ${pid}). Stop it first, or give this one another folder with --data.`,
)

/** Process ids by program; `start` is the supervisor. */
export type Pids = Record<string, number>

const pidsFile = (data: string): string => join(data, 'pids.json')

export function writePids(data: string, pids: Pids): void {
  writeFileSync(pidsFile(data), JSON.stringify(pids))
}

export function removePids(data: string): void {
  rmSync(pidsFile(data), { force: true })
}

/**
 * Deals with what an earlier start left behind: refuses to run beside it (`MESH_ALREADY_RUNNING`), or, where it was killed,
 * ends the programs that outlived it.
 */
export function clearLeftovers(data: string): void {
  if (!existsSync(pidsFile(data))) return
  const pids = JSON.parse(readFileSync(pidsFile(data), 'utf8')) as Pids
  for (const [name, pid] of Object.entries(pids)) {
    const command = commandOf(pid)
    if (name === 'start' && command.includes('src/start/main.ts')) throw AlreadyRunning(pid, data)
    if (name !== 'start' && command.includes(data)) process.kill(pid, 'SIGKILL')
  }
  removePids(data)
}

/** Ends the apps' containers, which outlive the foundation (src/foundation/diego/container): each has as long as Diego gives it. */
export async function endContainers(data: string): Promise<void> {
  const groups = (name: string): string[] => globSync(join(data, 'foundation/containers/*', name))
  await Promise.all(groups('container.pid').map((file) => endGroup(file, 12_000)))
  await Promise.all(groups('app.pid').map((file) => endGroup(file)))
}

/** The command line of a process, empty where there is none. */
function commandOf(pid: number): string {
  try {
    if (process.platform === 'linux') return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
    return execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  } catch {
    return ''
  }
}
