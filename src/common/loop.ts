import { setTimeout as delay } from 'node:timers/promises'
import type { Part } from './lifecycle.ts'

/**
 * A part that takes one turn after the other until it is stopped. A turn answers how many milliseconds the next one waits,
 * and is given the signal that aborts when the part stops. It must not throw.
 */
export function loop(name: string, turn: (signal: AbortSignal) => Promise<number>): Part {
  const stopping = new AbortController()
  const { signal } = stopping
  let running: Promise<void> | undefined
  const run = async (): Promise<void> => {
    while (!signal.aborted) await delay(await turn(signal), undefined, { signal }).catch(() => {})
  }
  return {
    name,
    start: async () => {
      running = run()
    },
    stop: async () => {
      stopping.abort()
      await running
    },
  }
}
