import type { HealthCheckConfig } from '../resources/health-check.ts'
import type { Asker, Verdict } from './health-questions.ts'
import type { Watched } from './outliers.ts'

/** Asks endpoints time after time whether they are well. Envoy: active health checks. */
export class HealthChecks<T extends Watched> {
  readonly #config: HealthCheckConfig
  readonly #askerOf: (endpoint: T) => Asker
  readonly #changed: (endpoint: T) => void
  readonly #checks = new Map<T, Check>()

  /** `changed` is told of each endpoint that is no more as ill, or well, as it was. */
  constructor(config: HealthCheckConfig, askerOf: (endpoint: T) => Asker, changed: (endpoint: T) => void) {
    this.#config = config
    this.#askerOf = askerOf
    this.#changed = changed
  }

  /** Checks these endpoints from now on. One that is `fresh` counts as ill until it has answered for the first time. */
  follow(endpoints: readonly T[], fresh: boolean): void {
    const present = new Set(endpoints)
    for (const [endpoint, check] of this.#checks) {
      if (present.has(endpoint)) continue
      check.stop()
      this.#checks.delete(endpoint)
    }
    for (const endpoint of endpoints) {
      if (this.#checks.has(endpoint)) continue
      if (fresh) endpoint.health.ill = true
      const judged = (ill: boolean): void => {
        if (endpoint.health.ill === ill) return
        endpoint.health.ill = ill
        this.#changed(endpoint)
      }
      this.#checks.set(endpoint, new Check(this.#config, this.#askerOf(endpoint), judged))
    }
  }

  stop(): void {
    for (const check of this.#checks.values()) check.stop()
    this.#checks.clear()
  }
}

/** The checks of one endpoint. */
class Check {
  readonly #config: HealthCheckConfig
  readonly #asker: Asker
  readonly #judged: (ill: boolean) => void
  #ill: boolean | undefined
  /** Answers in a row that say otherwise. */
  #contrary = 0
  #timer: NodeJS.Timeout | undefined
  #giveUp = (): void => {}

  constructor(config: HealthCheckConfig, asker: Asker, judged: (ill: boolean) => void) {
    this.#config = config
    this.#asker = asker
    this.#judged = judged
    this.#ask()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#giveUp()
    this.#asker.stop()
  }

  #ask(): void {
    let over = false
    let abort = (): void => {}
    const done = (verdict: Verdict): void => {
      if (over) return
      over = true
      clearTimeout(this.#timer)
      this.#timer = setTimeout(() => this.#ask(), this.#config.interval).unref()
      this.#judge(verdict)
    }
    this.#giveUp = () => {
      over = true
      abort()
    }
    this.#timer = setTimeout(() => {
      done('failed')
      abort()
    }, this.#config.timeout).unref()
    abort = this.#asker.ask(done)
  }

  /** The first answer decides, and so does one that the endpoint is ill; of others it takes some in a row. */
  #judge(verdict: Verdict): void {
    const ill = verdict !== 'well'
    if (ill === this.#ill) {
      this.#contrary = 0
      return
    }
    const needed = this.#ill === undefined || verdict === 'ill' ? 1 : ill ? this.#config.unhealthy : this.#config.healthy
    if (++this.#contrary < needed) return
    this.#contrary = 0
    this.#ill = ill
    this.#judged(ill)
  }
}
