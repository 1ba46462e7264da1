import { Pool } from 'undici'
import type { TestRouter } from './mesh.ts'

/** How many requests may be without an answer before the next ones wait: what is late is late, but nothing piles up. */
const most = 512

/** How often the clock is looked at, in milliseconds. */
const beat = 10

export interface Load {
  sent: number
  answered: number
  /** What each failed request came to: its status and body, or the error. */
  failures: string[]
  /** Requests a second so far. */
  rate: number
  /** Resolves once that many requests more have been sent, and they and those before them answered. */
  further(requests: number): Promise<void>
  /** Sends no more, and resolves once all have ended. */
  stop(): Promise<void>
}

/**
 * Asks a router's plain listener for a host at a rate (requests a second) over connections that are kept: each request at its time, whether
 * the ones before are answered or not. A busy machine gives fewer. One that is not answered with 200 and what `good` takes has failed.
 */
export function startLoad({ http }: TestRouter, host: string, { rate, good }: { rate: number; good: (body: string) => boolean }): Load {
  const pool = new Pool(`http://127.0.0.1:${http}`, { connections: 64, pipelining: 1 })
  const waiting = new Set<{ sent: number; resolve: () => void }>()
  const outstanding = new Set<number>()
  const began = performance.now()
  let ticker: NodeJS.Timeout | undefined
  let due = 0
  let closed: Promise<void> | undefined
  const load: Load = {
    sent: 0,
    answered: 0,
    failures: [],
    get rate() {
      return Math.round((load.answered * 1000) / (performance.now() - began))
    },
    further: (requests) => new Promise((resolve) => waiting.add({ sent: load.sent + requests, resolve })),
    stop: async () => {
      clearInterval(ticker)
      await (closed ??= pool.close())
    },
  }

  const send = async (number: number): Promise<void> => {
    outstanding.add(number)
    try {
      const { statusCode, body } = await pool.request({ path: '/', method: 'GET', headers: { host } })
      const text = await body.text()
      if (statusCode !== 200 || !good(text)) load.failures.push(`${statusCode} ${text}`)
    } catch (error) {
      load.failures.push(String(error))
    }
    outstanding.delete(number)
    load.answered++
    // A set keeps its order: the first is the oldest that has no answer.
    const [oldest = load.sent] = outstanding
    for (const one of waiting) {
      if (oldest < one.sent) continue
      waiting.delete(one)
      one.resolve()
    }
  }

  let before = began
  ticker = setInterval(() => {
    const now = performance.now()
    due = Math.min(due + ((now - before) * rate) / 1000, most - outstanding.size)
    before = now
    for (; due >= 1; due--) void send(load.sent++)
  }, beat)
  return load
}
