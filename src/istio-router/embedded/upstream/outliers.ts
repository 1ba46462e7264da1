import type { Headers } from '../http/headers.ts'
import type { OutlierConfig } from '../resources/outliers.ts'

/** What health checks and outlier detection know of one endpoint. */
export class Health {
  /** What health checks say, where there are some. */
  ill = false
  ejectedAt: number | undefined
  /** How often it was ejected lately; it stays away as many times as long. */
  times = 0
  serverErrors = 0
  gatewayErrors = 0
  localErrors = 0

  get healthy(): boolean {
    return !this.ill && !this.ejected
  }

  get ejected(): boolean {
    return this.ejectedAt !== undefined
  }
}

export interface Watched {
  readonly health: Health
}

/** HTTP statuses of gRPC's (Envoy's table), for those that are errors of a server. */
const grpcErrors: Record<string, number> = { 2: 500, 4: 504, 12: 501, 13: 500, 14: 503, 15: 500 }

/** What an endpoint did to be left out, by Envoy's names. */
export type Cause = 'consecutive-5xx' | 'consecutive-gateway-failure' | 'consecutive-local-origin-failure'

/** Leaves endpoints out for a while that fail time after time. Envoy: outlier detection. */
export class Outliers<T extends Watched> {
  config: OutlierConfig
  readonly #endpoints: () => readonly T[]
  readonly #changed: (endpoint: T, ejected: Cause | undefined) => void
  #timer: NodeJS.Timeout | undefined

  /** `changed` is told of each ejection, with its cause, and each return, without. */
  constructor(config: OutlierConfig, endpoints: () => readonly T[], changed: (endpoint: T, ejected: Cause | undefined) => void) {
    this.config = config
    this.#endpoints = endpoints
    this.#changed = changed
  }

  /** An endpoint has answered. */
  answered(endpoint: T, status: number, headers: Headers): void {
    const { health } = endpoint
    const grpc = headers.get('grpc-status')
    const code = grpc === undefined ? status : (grpcErrors[grpc] ?? 200)
    health.localErrors = 0
    if (code < 500) {
      health.serverErrors = health.gatewayErrors = 0
      return
    }
    this.#count(endpoint, code >= 502 && code <= 504)
  }

  /** An endpoint could not be reached, broke off, or did not answer in time. */
  failed(endpoint: T): void {
    if (!this.config.split) {
      this.#count(endpoint, true)
      return
    }
    if (++endpoint.health.localErrors >= this.config.localErrors) this.#eject(endpoint, 'consecutive-local-origin-failure')
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #count(endpoint: T, gateway: boolean): void {
    const { health, config } = { health: endpoint.health, config: this.config }
    health.gatewayErrors = gateway ? health.gatewayErrors + 1 : 0
    if (++health.serverErrors >= config.serverErrors) this.#eject(endpoint, 'consecutive-5xx')
    else if (health.gatewayErrors >= config.gatewayErrors) this.#eject(endpoint, 'consecutive-gateway-failure')
  }

  #eject(endpoint: T, cause: Cause): void {
    const { health } = endpoint
    health.serverErrors = health.gatewayErrors = health.localErrors = 0
    const all = this.#endpoints()
    const ejected = all.filter((other) => other.health.ejected).length
    if (health.ejected || !all.includes(endpoint) || ((ejected + 1) * 100) / all.length > this.config.maxPercent) return
    health.ejectedAt = performance.now()
    health.times++
    this.#timer ??= setInterval(() => this.#sweep(), this.config.interval).unref()
    this.#changed(endpoint, cause)
  }

  /** Lets those return whose time is over; the others are forgiven one ejection. */
  #sweep(): void {
    const now = performance.now()
    let watched = false
    for (const endpoint of this.#endpoints()) {
      const { health } = endpoint
      if (health.ejectedAt === undefined) {
        if (health.times > 0) health.times--
      } else if (
        now - health.ejectedAt >=
        Math.min(this.config.ejectionTime * health.times, Math.max(this.config.maxEjectionTime, this.config.ejectionTime))
      ) {
        health.ejectedAt = undefined
        this.#changed(endpoint, undefined)
      }
      watched ||= health.times > 0 || health.ejected
    }
    if (!watched) this.stop()
  }
}
