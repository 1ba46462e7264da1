import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { problem } from '../common/problem.ts'

export const PortBusy = problem('MESH_PORT_BUSY', 409, (port: number, option: string) => `Port ${port} of 127.0.0.1 is in use. Stop what uses it, or choose another with ${option} (0 takes a free one).`)

/** Hands out ports of 127.0.0.1, and the same ones again at the next start where they are still free. */
export class Ports {
  readonly #file: string
  readonly #known: Record<string, number>

  constructor(file: string) {
    this.#file = file
    this.#known = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Record<string, number>) : {}
  }

  /** The port that a person asked for with `option`; throws `MESH_PORT_BUSY` where it is in use. 0 takes a free one. */
  async asked(name: string, port: number, option: string): Promise<number> {
    if (port === 0) return this.free(name)
    if (!(await isFree(port))) throw PortBusy(port, option)
    return port
  }

  /** A free port, if possible the one that had this name before. */
  async free(name: string): Promise<number> {
    const before = this.#known[name]
    const port = before !== undefined && (await isFree(before)) ? before : await anyFree()
    this.#known[name] = port
    writeFileSync(this.#file, JSON.stringify(this.#known, null, 2))
    return port
  }
}

function tryListen(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(undefined))
    server.listen({ host: '127.0.0.1', port }, () => {
      const address = server.address()
      server.close(() => resolve(address && typeof address === 'object' ? address.port : undefined))
    })
  })
}

async function isFree(port: number): Promise<boolean> {
  return (await tryListen(port)) !== undefined
}

async function anyFree(): Promise<number> {
  const port = await tryListen(0)
  if (port === undefined) throw new Error('no free port on 127.0.0.1')
  return port
}
