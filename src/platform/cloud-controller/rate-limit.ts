import { header, type HttpAnswer } from '../http.ts'

/** Longest we let a neighbour send us away for at once, milliseconds. */
const longest = 300_000

/** When the next request may go, by `Retry-After` and Cloud Controller's `X-RateLimit-Remaining` and `-Reset` (seconds since 1970). */
export class RateLimit {
  #notBefore = 0

  /** Milliseconds until the next request may be sent. */
  wait(): number {
    return Math.max(0, this.#notBefore - Date.now())
  }

  heed(answer: HttpAnswer): void {
    const now = Date.now()
    const after = retryAfter(header(answer, 'retry-after'), now)
    const reset = Number(header(answer, 'x-ratelimit-reset'))
    const exhausted = answer.status === 429 || header(answer, 'x-ratelimit-remaining') === '0'
    if (after !== undefined && answer.status !== 200) this.#until(after, now)
    else if (exhausted && reset > 0) this.#until(reset * 1000, now)
  }

  #until(time: number, now: number): void {
    this.#notBefore = Math.min(Math.max(this.#notBefore, time), now + longest)
  }
}

/** The time that a `Retry-After` names: seconds or an HTTP date (RFC 9110, 10.2.3). */
function retryAfter(value: string | undefined, now: number): number | undefined {
  if (!value) return undefined
  if (/^\d+$/.test(value)) return now + Number(value) * 1000
  const date = Date.parse(value)
  return Number.isNaN(date) ? undefined : date
}
