import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { problem } from '../common/problem.ts'

export const AlreadyRunning = problem('MESH_ALREADY_RUNNING', 409, (pid: number, folder: string) => `npm start already runs with ${folder} (process ${pid}). Stop it first, or give this one another folder with --data.`)

/** What `npm start` tells programs once everything is up, as `ready.json` in the data folder. */
export interface Ready {
  version: string
  engine: 'embedded' | 'envoy'
  urls: {
    /** Cloud Controller, HTTP. */
    cloudController: string
    /** Cloud Controller, HTTPS with a certificate of `caFile`. */
    cloudControllerTls: string
    /** copilot's API for people, which meshctl uses. */
    copilot: string
    /** pilot's debug API. */
    pilot: string
  }
  credentials: { user: string; password: string }
  organization: string
  space: string
  domains: { apps: string; mesh: string }
  routers: { name: string; http: number; https: number; health: number }[]
  /** The CA of every certificate that a client meets. */
  caFile: string
  /** Process ids by program; `start` is the supervisor. */
  pids: Record<string, number>
}

export const readyFile = (data: string): string => join(data, 'ready.json')

export function writeReady(data: string, ready: Ready): void {
  const file = readyFile(data)
  writeFileSync(`${file}.new`, `${JSON.stringify(ready, null, 2)}\n`, { mode: 0o600 })
  renameSync(`${file}.new`, file)
}

export function removeReady(data: string): void {
  rmSync(readyFile(data), { force: true })
}

/**
 * Deals with what an earlier start left in the data folder: refuses to run beside it (`MESH_ALREADY_RUNNING`), or, where it
 * was killed, ends the programs that outlived it.
 */
export function clearLeftovers(data: string): void {
  if (!existsSync(readyFile(data))) return
  const { pids } = JSON.parse(readFileSync(readyFile(data), 'utf8')) as Ready
  for (const [name, pid] of Object.entries(pids)) {
    const command = commandOf(pid)
    if (name === 'start' && command.includes('src/start/main.ts')) throw AlreadyRunning(pid, data)
    if (command.includes(data)) process.kill(pid, 'SIGKILL')
  }
  removeReady(data)
}

/** The command line of a process, empty where there is none. */
function commandOf(pid: number): string {
  try {
    return execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  } catch {
    return ''
  }
}
