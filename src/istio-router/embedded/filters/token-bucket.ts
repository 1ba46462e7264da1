/** How many requests pass: `most` at once, and then `rate` a second. */
export interface Rate {
  most: number
  rate: number
}

/** Tokens that flow in steadily; each request takes one. */
export class TokenBucket {
  readonly limit: Rate
  #tokens: number
  #at = performance.now()

  constructor(limit: Rate) {
    this.limit = limit
    this.#tokens = limit.most
  }

  /** Tokens that are there now, whole or not. */
  get tokens(): number {
    const now = performance.now()
    this.#tokens = Math.min(this.limit.most, this.#tokens + ((now - this.#at) / 1000) * this.limit.rate)
    this.#at = now
    return this.#tokens
  }

  /** False where there is none. */
  take(): boolean {
    if (this.tokens < 1) return false
    this.#tokens--
    return true
  }

  /** Whole seconds until there is a token. */
  get wait(): number {
    return Math.max(0, Math.ceil((1 - this.tokens) / this.limit.rate))
  }

  /** Whole seconds until it is full. */
  get reset(): number {
    return Math.ceil((this.limit.most - this.tokens) / this.limit.rate)
  }
}
