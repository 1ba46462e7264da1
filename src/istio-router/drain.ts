import { setTimeout as delay } from 'node:timers/promises'
import type { Condition } from '../common/health.ts'
import type { Part } from '../common/lifecycle.ts'
import type { Logger } from '../common/log.ts'
import type { RouterConfig } from './config.ts'
import type { Engine } from './engine.ts'

/** Leaving without losing a request: fails `/ready`, waits for load balancers to notice, stops accepting, lets what is in flight finish. */
export class Drain implements Part {
  readonly name = 'drain'
  readonly #engine: Engine
  readonly #config: RouterConfig['drain']
  readonly #log: Logger
  #draining = false

  constructor(engine: Engine, config: RouterConfig['drain'], log: Logger) {
    this.#engine = engine
    this.#config = config
    this.#log = log
  }

  async start(): Promise<void> {}

  async stop(): Promise<void> {
    this.#draining = true
    this.#log.info(this.#config, 'draining')
    await delay(this.#config.wait)
    await this.#engine.drain(this.#config.limit)
  }

  condition(): Condition {
    return this.#draining ? { ready: false, reason: 'draining' } : { ready: true }
  }
}
