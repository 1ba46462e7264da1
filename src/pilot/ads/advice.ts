import type { Condition } from '../../common/health.ts'
import type { Logger } from '../../common/log.ts'
import type { Translator } from '../translate/translator.ts'

/** Hosts with rules above which each change of a rule costs routers more in one route configuration than buckets cost requests. */
export const mostInOne = 2000

/** Advises buckets where there are many hosts with rules: once in the log, and in the health for as long as it is so. */
export class RoutingAdvice {
  readonly #translator: Translator
  readonly #log: Logger
  #given = false

  constructor(translator: Translator, log: Logger) {
    this.#translator = translator
    this.#log = log
  }

  /** Told when records have been translated. */
  published(): void {
    const advice = this.#advice()
    if (advice === undefined || this.#given) return
    this.#given = true
    this.#log.warn(advice)
  }

  condition(): Condition {
    const advice = this.#advice()
    return { ready: true, ...(advice === undefined ? {} : { reason: advice }), hosts: this.#translator.rules.size }
  }

  #advice(): string | undefined {
    const { rules, settings } = this.#translator
    if (settings.routingShape === 'buckets' || rules.size <= mostInOne) return undefined
    return `${rules.size} hosts have rules: above ${mostInOne} set translation.routingShape to buckets, so that a change of a rule does not cost the routers more and more`
  }
}
