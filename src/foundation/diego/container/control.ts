import { once } from 'node:events'
import { chmodSync, renameSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import type { ContainerLine, ContainerState, Order, Report } from './contract.ts'

/** Log lines kept while nobody takes them, characters; the oldest go first. */
const maxPending = 1 << 20

export interface ControlOptions {
  /** Path of the Unix socket; only our own user may connect to it. */
  socket: string
  state: () => ContainerState
  order: (order: Order) => void
  /** Somebody is connected. */
  met: () => void
  /** Nobody is connected any more. */
  alone: () => void
}

/** The container's end of its control socket. One foundation is connected at a time: a new one takes over from the one before. */
export class Control {
  readonly #options: ControlOptions
  readonly #server: Server
  #peer: Socket | undefined
  #pending: ContainerLine[] = []
  #size = 0

  constructor(options: ControlOptions) {
    this.#options = options
    this.#server = createServer((socket) => this.#accept(socket))
  }

  async start(): Promise<void> {
    const { socket } = this.#options
    // It gets its name when it can be connected to.
    this.#server.listen(`${socket}.new`)
    await once(this.#server, 'listening')
    chmodSync(`${socket}.new`, 0o600)
    renameSync(`${socket}.new`, socket)
  }

  /** Tells how the container is now. */
  tell(): void {
    this.#send({ state: this.#options.state() })
  }

  log(line: ContainerLine): void {
    this.#pending.push(line)
    this.#size += line.message.length
    while (this.#size > maxPending) this.#size -= this.#pending.shift()!.message.length
    this.#flush()
  }

  /** Closes once what was said is on its way. */
  async stop(): Promise<void> {
    this.#server.close()
    const peer = this.#peer
    if (!peer) return
    peer.setTimeout(1000, () => peer.destroy())
    peer.destroySoon()
    await once(peer, 'close').catch(() => {})
  }

  #accept(socket: Socket): void {
    this.#peer?.destroy()
    this.#peer = socket
    this.#options.met()
    socket.on('drain', () => this.#flush())
    socket.on('error', () => {})
    socket.once('close', () => {
      if (this.#peer !== socket) return
      this.#peer = undefined
      this.#options.alone()
    })
    // It passes on the socket's errors; the close that follows is what counts.
    createInterface(socket)
      .on('error', () => {})
      .on('line', (line) => this.#options.order(JSON.parse(line) as Order))
    this.tell()
    this.#flush()
  }

  #flush(): void {
    while (this.#pending.length && this.#peer?.writable && !this.#peer.writableNeedDrain) {
      const line = this.#pending.shift()!
      this.#size -= line.message.length
      this.#send({ line })
    }
  }

  #send(report: Report): void {
    if (this.#peer?.writable) this.#peer.write(`${JSON.stringify(report)}\n`)
  }
}
