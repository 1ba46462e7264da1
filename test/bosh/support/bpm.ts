// bpm PREFIX start|stop JOB: runs a job's process by its config/bpm.yml as bpm does, without the container: its own environment,
// TMPDIR, log files, a pid file, SIGTERM and 20 seconds for stopping.
import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parse } from 'yaml'

interface Process {
  name: string
  executable: string
  args?: string[]
  env?: Record<string, string>
}

const [prefix = '', verb, job = ''] = process.argv.slice(2)
const pidfile = join(prefix, 'sys/run/bpm', job, `${job}.pid`)

if (verb === 'start') start()
else if (verb === 'supervise') supervise()
else if (verb === 'stop') await stop()
else throw new Error(`bpm cannot ${String(verb)}`)

/** Leaves the process to a parent of its own, which reaps it: whoever looks for its id must find it gone. */
function start(): void {
  spawn(process.execPath, [...process.execArgv, import.meta.filename, prefix, 'supervise', job], {
    detached: true,
    stdio: 'ignore',
  }).unref()
}

function supervise(): void {
  const { processes } = parse(readFileSync(join(prefix, 'jobs', job, 'config/bpm.yml'), 'utf8')) as { processes: Process[] }
  const [found] = processes
  if (!found || processes.length !== 1) throw new Error(`${job} has ${processes.length} processes`)
  const { executable, args = [], env = {} } = found
  const logs = join(prefix, 'sys/log', job)
  mkdirSync(logs, { recursive: true })
  const outputs = ['stdout', 'stderr'].map((stream) => openSync(join(logs, `${job}.${stream}.log`), 'a'))
  const inherited = Object.fromEntries(
    ['NODE_OPTIONS', 'MESH_TEST_HOSTS'].flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])),
  )
  const child = spawn(executable, args, {
    cwd: join(prefix, 'jobs', job),
    env: { PATH: '/usr/bin:/bin', TMPDIR: join(prefix, 'data', job, 'tmp'), ...inherited, ...env },
    stdio: ['ignore', outputs[0], outputs[1]],
  })
  outputs.forEach((descriptor) => closeSync(descriptor))
  writeFileSync(pidfile, String(child.pid))
}

async function stop(): Promise<void> {
  const pid = read()
  if (pid !== undefined) {
    for (const [signal, seconds] of [
      ['SIGTERM', 20],
      ['SIGKILL', 5],
    ] as const) {
      if (!alive(pid)) break
      process.kill(pid, signal)
      for (const end = Date.now() + seconds * 1000; alive(pid) && Date.now() < end;) await delay(50)
    }
  }
  rmSync(pidfile, { force: true })
}

function read(): number | undefined {
  try {
    return Number(readFileSync(pidfile, 'utf8'))
  } catch {
    return undefined
  }
}

function alive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
