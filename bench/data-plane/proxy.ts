import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'

/** What is behind every proxy, and the certificates. */
export interface Backend {
  /**
   * The app's instances: where each answers, and its guid, which is the name on its certificate. Proxies that balance nothing have the
   * first.
   */
  instances: [Instance, ...Instance[]]
  port: number
  files: {
    /** CA of the instances. */
    ca: string
    /** Shown to the instance. */
    client: { certificate: string; key: string }
    /** Shown to clients. */
    server: { certificate: string; key: string }
  }
  /** Folder for what a proxy writes. */
  folder: string
}

export interface Instance {
  address: string
  guid: string
}

/** A proxy under load. */
export interface Proxy {
  name: string
  http: number
  https: number
  /** `Host` of the route. */
  host: string
  /** Its processes, children included. */
  pids: () => number[]
  stop: () => Promise<void>
}

/** Starts a proxy of another maker; throws `Skipped` where it is not on this machine. */
export type StartProxy = (backend: Backend, host: string) => Promise<Proxy>

/**
 * Starts a program whose standard error goes to ours; ends it with us. `ownSession` as the router starts its Envoy: Linux schedules
 * sessions against each other (autogroup), and a proxy in one of its own wakes for each request, where one beside its client gets several
 * at once.
 */
export function program(command: string, args: string[], { ownSession = false } = {}): { pids: () => number[]; stop: () => Promise<void> } {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'], detached: ownSession })
  const kill = (): boolean => child.kill('SIGTERM')
  process.once('exit', kill)
  return {
    pids: () => [child.pid!, ...childrenOf(child.pid!)],
    stop: async () => {
      process.off('exit', kill)
      await ended(child)
    },
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  await once(child, 'exit')
}

function childrenOf(parent: number): number[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return []
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === parent ? [Number(pid)] : []
    } catch {
      return []
    }
  })
}
