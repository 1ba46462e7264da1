import { setTimeout as delay } from 'node:timers/promises'
import type { CcAnswer } from '../support/cc-proxy.ts'
import type { Phase } from './phase.ts'

const cc = (name: string, distort: (path: string, answer: CcAnswer) => CcAnswer | undefined, short = false): Phase => ({
  name: `Cloud Controller: ${name}`,
  short,
  run: async ({ platform }, { minutes }) => {
    platform.cc.distort = distort
    await delay(minutes)
    platform.cc.distort = undefined
  },
})

const isList = (path: string): boolean => path.startsWith('/v3/')
const failing = (status: number, title: string, headers = {}) => ({
  status,
  headers: { 'content-type': 'application/json', ...headers },
  body: Buffer.from(JSON.stringify({ errors: [{ code: 10_001, title, detail: 'a fault' }] })),
})

/** Other resources on a page; `honest` counts them in its total too. */
function resources(answer: CcAnswer, change: (all: unknown[]) => unknown[], honest: boolean): CcAnswer {
  const page = JSON.parse(answer.body.toString()) as { pagination?: { total_results: number }; resources?: unknown[] }
  if (!page.resources || !page.pagination) return answer
  const changed = change(page.resources)
  return {
    ...answer,
    body: Buffer.from(
      JSON.stringify({
        ...page,
        pagination: { ...page.pagination, ...(honest && { total_results: changed.length }), next: null },
        resources: changed,
      }),
    ),
  }
}

/** A Cloud Controller that lies, or is away. */
export const cloudControllerPhases: Phase[] = [
  cc('answers 500', () => failing(500, 'UnknownError'), true),
  cc('answers 429', () => failing(429, 'CF-RateLimitExceeded', { 'retry-after': '1' })),
  cc('half a page', (path, answer) =>
    isList(path) ? { ...answer, body: answer.body.subarray(0, Math.floor(answer.body.length / 2)) } : answer,
  ),
  cc('half of the resources', (path, answer) => (isList(path) ? resources(answer, (all) => all.slice(0, all.length / 2), false) : answer)),
  cc('empty lists', (path, answer) => (isList(path) ? resources(answer, () => [], true) : answer), true),
  {
    name: 'Cloud Controller hangs',
    short: true,
    run: async ({ platform }, { paused }) => {
      platform.cc.hold()
      await delay(paused)
      platform.cc.release()
    },
  },
  {
    name: 'Cloud Controller away',
    run: async ({ platform }, { away }) => {
      await platform.cc.close()
      await delay(away)
      await platform.cc.listen()
    },
  },
]
