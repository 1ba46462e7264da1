import { randomInt } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { problem } from '../common/problem.ts'

export const PortBusy = problem(
  'MESH_PORT_BUSY',
  409,
  (port: number, option: string) =>
    `Port ${port} of 127.0.0.1 is in use. Stop what uses it, or choose another with ${option} (0 takes a free one).`,
)

/** Hands out ports of 127.0.0.1, and the same ones again at the next start where they are still free. */
export class Ports {
  readonly #file: string
  readonly #known: Record<string, number>
  readonly #given = new Set<number>()

  constructor(file: string) {
    this.#file = file
    this.#known = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Record<string, number>) : {}
  }

  /** The port that a person asked for with `option`; throws `MESH_PORT_BUSY` where it is in use. 0 takes a free one. */
  async asked(name: string, port: number, option: string): Promise<number> {
    if (port === 0) return this.free(name)
    if (!(await this.#take(port))) throw PortBusy(port, option)
    return port
  }

  /** A free port, if possible the one that had this name before. */
  async free(name: string): Promise<number> {
    let port = this.#known[name] ?? randomPort()
    while (!(await this.#take(port))) port = randomPort()
    this.#known[name] = port
    writeFileSync(this.#file, JSON.stringify(this.#known, null, 2))
    return port
  }

  async #take(port: number): Promise<boolean> {
    if (this.#given.has(port) || !(await isFree(port))) return false
    this.#given.add(port)
    return true
  }
}

/** Whether `port` of 127.0.0.1 can be listened on. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ host: '127.0.0.1', port }, () => server.close(() => resolve(true)))
  })
}

/**
 * A port below those that the kernel gives to outgoing connections, and those of the foundation's containers, so that none of them takes it
 * in the meantime.
 */
export function randomPort(): number {
  return randomInt(10_000, 20_000)
}
