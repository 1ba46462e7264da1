import type { Condition } from '../../common/health.ts'
import type { Logger } from '../../common/log.ts'
import { messageOf } from '../../common/problem.ts'
import { typeUrls, type Refusal } from '../../common/xds/resources.ts'
import { Listener } from './listener/listener.ts'
import type { Shared } from './manager.ts'
import type { ListenerConfig } from './resources/listener.ts'

/** The listeners that there are to be, and those that are bound. */
export class Listeners {
  readonly #shared: Shared
  readonly #log: Logger
  /** Wanted but not bound yet: they wait for their routes or keypairs. */
  readonly #waiting = new Map<string, { config: ListenerConfig; version: string }>()
  readonly #bound = new Map<string, Listener>()
  /** Replaced or removed, with requests still in flight. */
  #retired: Listener[] = []

  constructor(shared: Shared, log: Logger) {
    this.#shared = shared
    this.#log = log
  }

  get ports(): Record<string, number> {
    return Object.fromEntries([...this.#bound].map(([name, listener]) => [name, listener.port]))
  }

  set(config: ListenerConfig, version: string): void {
    this.#waiting.set(config.name, { config, version })
  }

  delete(name: string): void {
    this.#waiting.delete(name)
    const listener = this.#bound.get(name)
    if (!listener) return
    this.#bound.delete(name)
    this.#retire(listener)
    this.#log.info({ listener: name }, 'listener removed')
  }

  /** Binds every listener that has what it needs. What cannot be bound is refused; a listener that it was to replace goes on. */
  async settle(): Promise<Refusal[]> {
    const refusals: Refusal[] = []
    if (this.#shared.draining) return refusals
    for (const [name, { config, version }] of this.#waiting) {
      if (!config.chains.every(({ serve }) => serve.kind === 'tcp' || this.#shared.routes.has(serve.manager.routes))) continue
      const old = this.#bound.get(name)
      const next = new Listener(config, this.#shared)
      if (!next.hasKeypairs) continue
      this.#waiting.delete(name)
      if (old && old.config.address === config.address && old.config.port === config.port) {
        old.update(config)
        continue
      }
      try {
        await next.bind()
      } catch (error) {
        refusals.push({ typeUrl: typeUrls.listener, name, version, reason: `address: ${messageOf(error)}` })
        continue
      }
      this.#bound.set(name, next)
      if (old) this.#retire(old)
      this.#log.info({ listener: name, address: config.address, port: next.port }, 'listening')
    }
    return refusals
  }

  condition(): Condition {
    const details = { listeners: this.#bound.size }
    if (this.#shared.draining) return { ready: false, reason: 'draining', ...details }
    const waiting =
      this.#waiting.size > 0 ? { reason: `listeners wait for their routes or keypairs: ${[...this.#waiting.keys()].join(', ')}` } : {}
    return this.#bound.size > 0
      ? { ready: true, ...waiting, ...details }
      : { ready: false, reason: 'no configuration yet', ...waiting, ...details }
  }

  /** Stops accepting and resolves when nothing is in flight, or after `limit` milliseconds; then closes what is left. */
  async drain(limit: number): Promise<void> {
    const deadline = performance.now() + limit
    const listeners = [...this.#bound.values(), ...this.#retired]
    for (const listener of listeners) listener.retire()
    while (listeners.some(({ active }) => active > 0) && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 20))
    this.close()
  }

  close(): void {
    for (const listener of [...this.#bound.values(), ...this.#retired]) listener.close()
  }

  #retire(listener: Listener): void {
    listener.retire()
    this.#retired = [...this.#retired.filter(({ active }) => active > 0), listener]
  }
}
