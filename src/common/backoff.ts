import { setTimeout as delay } from 'node:timers/promises'

export interface BackoffOptions {
  /** First delay, milliseconds. */
  min?: number
  /** Longest delay, milliseconds. */
  max?: number
}

/**
 * Exponential backoff with full jitter: the nth delay is random between half of and all of `min × 2ⁿ`, capped at `max`.
 * `reset` after a success.
 */
export class Backoff {
  readonly #min: number
  readonly #max: number
  #failures = 0

  constructor({ min = 100, max = 2_000 }: BackoffOptions = {}) {
    this.#min = min
    this.#max = max
  }

  reset(): void {
    this.#failures = 0
  }

  /** The next delay in milliseconds. */
  next(): number {
    const ceiling = Math.min(this.#max, this.#min * 2 ** this.#failures++)
    return ceiling / 2 + Math.random() * (ceiling / 2)
  }

  /** Waits for the next delay; rejects with the signal's reason when it is aborted. */
  async wait(signal?: AbortSignal): Promise<void> {
    await delay(this.next(), undefined, { signal })
  }
}

/**
 * Runs `attempt` again and again until `signal` aborts: a long-lived stream, a poll. After it ends or fails, the next
 * attempt waits by the backoff, which `attempt` may reset once it has got through. Never rejects.
 */
export async function keepTrying(
  attempt: (backoff: Backoff) => Promise<void>,
  { signal, onError, ...options }: BackoffOptions & { signal: AbortSignal; onError: (error: unknown) => void },
): Promise<void> {
  const backoff = new Backoff(options)
  while (!signal.aborted) {
    try {
      await attempt(backoff)
    } catch (error) {
      if (signal.aborted) return
      onError(error)
    }
    await backoff.wait(signal).catch(() => {})
  }
}
