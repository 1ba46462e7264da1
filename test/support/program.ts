import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { stringify } from 'yaml'
import { isFree, randomPort } from '../../src/start/ports.ts'
import { eventually } from './wait.ts'

/** Characters of a program's output that are kept at least, the newest. */
const outputKept = 20_000_000

/** One of our programs as a process of its own, with what it wrote to standard output and error. */
export class TestProgram {
  readonly name: string
  readonly child: ChildProcess
  readonly healthPort: number
  /** Its configuration. */
  readonly file: string
  output = ''

  private constructor(name: string, child: ChildProcess, healthPort: number, file: string) {
    this.name = name
    this.file = file
    this.child = child
    this.healthPort = healthPort
    const collect = (chunk: Buffer): void => {
      this.output += chunk.toString()
      if (this.output.length > 2 * outputKept) this.output = this.output.slice(-outputKept)
    }
    child.stdout?.on('data', collect)
    child.stderr?.on('data', collect)
    const kill = (): void => void child.kill('SIGKILL')
    process.once('exit', kill)
    child.once('exit', () => process.off('exit', kill))
  }

  /** Starts `src/NAME/main.ts` with a configuration file in `folder`, on which `health` is set to a free port. */
  static async start(program: string, config: object, folder: string, name = program): Promise<TestProgram> {
    const port = await freePort()
    const file = join(folder, `${name}.yml`)
    writeFileSync(file, stringify({ health: { listen: { port } }, ...config }))
    const child = spawn(process.execPath, [resolve(import.meta.dirname, `../../src/${program}/main.ts`), '--config', file], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    return new TestProgram(name, child, port, file)
  }

  /** Waits until `/ready` answers 200. */
  async ready(): Promise<this> {
    try {
      const ready = await eventually(async () => {
        if (this.child.exitCode !== null) return { ended: this.child.exitCode }
        return (await fetch(`http://127.0.0.1:${this.healthPort}/ready`)).status === 200 && {}
      }, 60_000)
      if ('ended' in ready) throw new Error(`${this.name} ended with ${ready.ended}`)
    } catch (error) {
      throw new Error(`${this.name} is not ready; it wrote:\n${this.output.slice(-4000)}`, { cause: error })
    }
    return this
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    this.child.kill(signal)
    await once(this.child, 'exit')
  }
}

const given = new Set<number>()
const job = Number(process.env['TAP_JOB_ID'] ?? 0) % 2

/**
 * A port of 127.0.0.1 that is free, and that no outgoing connection takes. It may be bound much later: it is not given out again, and the
 * test file that runs beside this one has the other half of all ports.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomPort()
    if (port % 2 !== job || given.has(port)) continue
    given.add(port)
    if (await isFree(port)) return port
  }
}
