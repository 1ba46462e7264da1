import type { Exchange } from './exchange.ts'
import type { LogSink } from './log-sink.ts'
import type { EngineMetrics } from './metrics.ts'
import type { ManagerConfig } from './resources/manager.ts'
import type { Routes } from './routing/routes.ts'
import type { Secrets } from './secrets.ts'
import type { Cluster } from './upstream/cluster.ts'

/** What all listeners share: the tables of resources, and where to count and write. */
export interface Shared {
  clusters: Map<string, Cluster>
  routes: Routes
  secrets: Secrets
  metrics: EngineMetrics
  log: LogSink
  /** True while the engine drains: connections are closed as their requests end. */
  draining: boolean
}

/** The connection manager of one filter chain: its configuration and the exchanges that it has in flight. */
export class Manager {
  config: ManagerConfig
  readonly shared: Shared
  readonly exchanges = new Set<Exchange>()
  /** True once its listener is being replaced or removed. */
  closing = false
  #sweeper: NodeJS.Timeout | undefined

  constructor(config: ManagerConfig, shared: Shared) {
    this.config = config
    this.shared = shared
  }

  get draining(): boolean {
    return this.closing || this.shared.draining
  }

  add(exchange: Exchange): void {
    this.exchanges.add(exchange)
    this.#sweeper ??= setInterval(() => this.#sweep(), sweepInterval).unref()
  }

  delete(exchange: Exchange): void {
    this.exchanges.delete(exchange)
  }

  /** What takes too long is looked for now and then, which is cheaper than a timer for each. */
  #sweep(): void {
    if (this.exchanges.size === 0) {
      clearInterval(this.#sweeper)
      this.#sweeper = undefined
      return
    }
    const now = performance.now()
    for (const exchange of this.exchanges) exchange.check(now)
  }
}

const sweepInterval = 250
