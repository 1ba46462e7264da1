import { once } from 'node:events'
import { closeSync, existsSync, openSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { basename, dirname } from 'node:path'
import { createInterface } from 'node:readline'
import type { ContainerLine, ContainerState, Order, Report } from '../container/contract.ts'

/** How long a container's process may take to say how it is. */
const greetingMs = 5000

/** A connection to a container's process: how the container is, what its app writes, and what it is asked to do. */
export class Connection {
  /** Resolves when the process has ended. */
  readonly closed: Promise<void>
  readonly #socket: Socket
  readonly #log: (line: ContainerLine) => void
  #state: ContainerState = { phase: 'starting', ports: [] }
  #waiting: (() => void)[] = []
  #left = false

  /** Resolves once the process has told its state; rejects if there is none, or it does not answer. */
  static async open(path: string, log: (line: ContainerLine) => void): Promise<Connection> {
    const socket = await dial(path)
    const connection = new Connection(socket, log)
    const told = new Promise<void>((resolve) => connection.#waiting.push(resolve))
    const late = setTimeout(() => socket.destroy(), greetingMs)
    await told
    clearTimeout(late)
    if (socket.destroyed) throw new Error('the container process does not answer')
    return connection
  }

  private constructor(socket: Socket, log: (line: ContainerLine) => void) {
    this.#socket = socket
    this.#log = log
    socket.on('error', () => {})
    // It passes on the socket's errors; the close that follows is what counts.
    createInterface(socket)
      .on('error', () => {})
      .on('line', (line) => this.#take(JSON.parse(line) as Report))
    this.closed = new Promise((resolve) =>
      socket.once('close', () => {
        resolve()
        if (!this.#left && this.#state.phase !== 'ended')
          this.#become({ ...this.#state, phase: 'ended', reason: 'The process of the container has ended' })
      }),
    )
  }

  get state(): ContainerState {
    return this.#state
  }

  /** Resolves with the first state, from now on, that meets `condition`. */
  async until(condition: (state: ContainerState) => boolean): Promise<ContainerState> {
    while (!condition(this.#state)) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    return this.#state
  }

  order(order: Order): void {
    if (this.#socket.writable) this.#socket.write(`${JSON.stringify(order)}\n`)
  }

  /** Goes, and leaves the process as it is. */
  close(): void {
    this.#left = true
    this.#socket.destroy()
  }

  #take(report: Report): void {
    if ('line' in report) this.#log(report.line)
    else this.#become(report.state)
  }

  #become(state: ContainerState): void {
    this.#state = state
    const waiting = this.#waiting
    this.#waiting = []
    for (const told of waiting) told()
  }
}

/** Connects to a Unix socket by way of its folder, since its path may have 107 bytes at most. */
async function dial(path: string): Promise<Socket> {
  if (!existsSync('/proc/self/fd')) return connected(connect(path))
  const folder = openSync(dirname(path), 'r')
  try {
    return await connected(connect(`/proc/self/fd/${folder}/${basename(path)}`))
  } finally {
    closeSync(folder)
  }
}

async function connected(socket: Socket): Promise<Socket> {
  await once(socket, 'connect')
  return socket
}
