import { fastify, type FastifyInstance } from 'fastify'
import { collectDefaultMetrics, Registry } from 'prom-client'
import type { Part } from './lifecycle.ts'
import { version } from './version.ts'

/** What one part of a process says of itself. `ready: false` takes the process out of `/ready`, never out of `/health`. */
export interface Condition {
  ready: boolean
  /** What is wrong, for a person; absent while all is well. */
  reason?: string
  /** Anything else worth knowing, for example how old a source's data is. */
  [detail: string]: unknown
}

export interface HealthOptions {
  component: string
  listen: { host: string; port: number }
  metrics: Registry
  /** Each part's condition, asked anew for every request. */
  conditions: Record<string, () => Condition>
  /** Adds what else this process tells of itself, for example `/debug/...`. */
  routes?: (server: FastifyInstance) => void
}

/** A metrics registry with the default process metrics and a constant `component` label. */
export function createMetrics(component: string): Registry {
  const registry = new Registry()
  registry.setDefaultLabels({ component })
  collectDefaultMetrics({ register: registry })
  return registry
}

/** Serves `/health` (200 while the process lives), `/ready` (200 or 503, with each part's condition) and `/metrics` (Prometheus text). */
export class HealthServer implements Part {
  readonly name = 'health'
  readonly #options: HealthOptions
  readonly #server: FastifyInstance = fastify({ logger: false })

  constructor(options: HealthOptions) {
    this.#options = options
    const report = () => {
      const conditions = Object.fromEntries(Object.entries(options.conditions).map(([name, condition]) => [name, condition()]))
      const ready = Object.values(conditions).every((condition) => condition.ready)
      return { component: options.component, version, ready, conditions }
    }
    this.#server.get('/health', report)
    this.#server.get('/ready', (_request, reply) => {
      const body = report()
      return reply.code(body.ready ? 200 : 503).send(body)
    })
    options.routes?.(this.#server)
    this.#server.get('/metrics', async (_request, reply) => reply.type(options.metrics.contentType).send(await options.metrics.metrics()))
  }

  async start(): Promise<void> {
    await this.#server.listen(this.#options.listen)
  }

  async stop(): Promise<void> {
    await this.#server.close()
  }
}
