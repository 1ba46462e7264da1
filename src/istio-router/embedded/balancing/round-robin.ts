import { alike, type Balancer, type Candidate, type MakeBalancer } from './balancer.ts'

/**
 * Takes the endpoints in turn. With different weights it is an earliest-deadline-first schedule: each endpoint is due again
 * `1 / weight` after it was taken, so that shares are exact and turns are spread evenly. It begins at a random place, so
 * that several routers do not march in step.
 */
export function roundRobin(warmingUp: boolean): MakeBalancer {
  return (endpoints) => (alike(endpoints) && !warmingUp ? inTurn(endpoints) : byDeadline(endpoints, ({ weight }) => weight))
}

function inTurn<T extends Candidate>(endpoints: readonly T[]): Balancer<T> {
  let next = Math.floor(Math.random() * endpoints.length)
  return {
    pick(excluded) {
      for (let tries = 0; tries < endpoints.length; tries++) {
        const endpoint = endpoints[next]!
        next = next + 1 === endpoints.length ? 0 : next + 1
        if (!excluded?.has(endpoint)) return endpoint
      }
      return undefined
    },
  }
}

interface Turn<T> {
  endpoint: T
  due: number
}

/** Takes endpoints by an earliest-deadline-first schedule; `weightOf` may say something else each time. */
export function byDeadline<T extends Candidate>(endpoints: readonly T[], weightOf: (endpoint: T) => number): Balancer<T> {
  const heap: Turn<T>[] = endpoints.map((endpoint) => ({ endpoint, due: Math.random() / weightOf(endpoint) })).sort((a, b) => a.due - b.due)
  const next = (): T => {
    const turn = heap[0]!
    turn.due += 1 / weightOf(turn.endpoint)
    sink(heap)
    return turn.endpoint
  }
  return {
    pick(excluded) {
      if (!excluded?.size) return heap.length > 0 ? next() : undefined
      const first = heap.reduce<Turn<T> | undefined>(
        (best, turn) => (excluded.has(turn.endpoint) || (best && best.due <= turn.due) ? best : turn),
        undefined,
      )
      return first?.endpoint
    },
  }
}

/** Lets the root of a binary heap sink to its place. */
function sink<T>(heap: Turn<T>[]): void {
  let at = 0
  const turn = heap[0]!
  for (;;) {
    let child = 2 * at + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && heap[child + 1]!.due < heap[child]!.due) child++
    if (heap[child]!.due >= turn.due) break
    heap[at] = heap[child]!
    at = child
  }
  heap[at] = turn
}
