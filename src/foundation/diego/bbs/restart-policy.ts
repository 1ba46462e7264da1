/** When Diego starts a crashed instance again (cloudfoundry/bbs models/restart_calculator.go). */
export interface RestartPolicy {
  /** A crash with a count below this is followed by a start at once. */
  immediate: number
  /** Delay after the first crash that is not, milliseconds; doubles with each further one. */
  minDelayMs: number
  maxDelayMs: number
  /** After so many crashes it is left alone. */
  maxRestarts: number
  /** A crash after running for longer than this counts as the first, milliseconds. */
  resetAfterMs: number
}

export const defaultRestartPolicy: RestartPolicy = {
  immediate: 3,
  minDelayMs: 30_000,
  maxDelayMs: 16 * 60_000,
  maxRestarts: 200,
  resetAfterMs: 5 * 60_000,
}

/** Milliseconds until the next start after the given number of crashes, or undefined if there is none. */
export function restartDelay(policy: RestartPolicy, crashes: number): number | undefined {
  if (crashes < policy.immediate) return 0
  if (crashes >= policy.maxRestarts) return undefined
  return Math.min(policy.maxDelayMs, policy.minDelayMs * 2 ** (crashes - policy.immediate))
}
