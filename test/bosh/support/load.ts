import { setTimeout as delay } from 'node:timers/promises'
import { ask } from '../../support/client.ts'

/** Sends requests at a steady rate until it is stopped, whatever becomes of them. */
export class Load {
  readonly #stop = new AbortController()
  readonly #flying = new Set<Promise<void>>()
  readonly failures: string[] = []
  readonly #running: Promise<void>
  sent = 0

  constructor(port: number, host: string, perSecond: number) {
    this.#running = this.#run(port, host, 1000 / perSecond)
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
    await Promise.all(this.#flying)
  }

  async #run(port: number, host: string, interval: number): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      const flight = this.#send(port, host).finally(() => this.#flying.delete(flight))
      this.#flying.add(flight)
      await delay(interval, undefined, { signal }).catch(() => {})
    }
  }

  async #send(port: number, host: string): Promise<void> {
    this.sent++
    const began = new Date().toISOString()
    try {
      const { status, body } = await ask(port, host)
      if (status !== 200) this.failures.push(`${began}: ${status} ${body.slice(0, 200)}`)
    } catch (error) {
      this.failures.push(`${began}: ${String(error)}`)
    }
  }
}
