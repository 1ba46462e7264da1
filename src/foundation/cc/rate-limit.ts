import type { FastifyReply } from 'fastify'
import type { Access } from './access.ts'
import { rateLimitExceeded } from './errors.ts'

export interface RateLimit {
  requests: number
  intervalSeconds: number
}

/** Counts requests per user in fixed intervals and tells of it in `X-RateLimit-*`, as Cloud Controller does; admins go free. */
export class RateLimiter {
  readonly #limit: RateLimit
  readonly #counts = new Map<string, number>()
  #end = 0

  constructor(limit: RateLimit) {
    this.#limit = limit
  }

  /** Throws RateLimitExceeded, with Retry-After set, when the user has none left. */
  count(access: Access, reply: FastifyReply): void {
    if (access.isAdmin || access.readsGlobally) return
    const now = Math.floor(Date.now() / 1000)
    if (now >= this.#end) {
      this.#counts.clear()
      this.#end = now + this.#limit.intervalSeconds
    }
    const made = (this.#counts.get(access.guid) ?? 0) + 1
    this.#counts.set(access.guid, made)
    reply.headers({
      'x-ratelimit-limit': this.#limit.requests,
      'x-ratelimit-remaining': Math.max(0, this.#limit.requests - made),
      'x-ratelimit-reset': this.#end,
    })
    if (made <= this.#limit.requests) return
    reply.header('retry-after', this.#end - now)
    throw rateLimitExceeded()
  }
}
