import { setTimeout as delay } from 'node:timers/promises'

/** Asks again and again until `condition` answers something truthy, and answers that. Fails after `limit` milliseconds. */
export async function eventually<Value>(
  condition: () => Promise<Value> | Value,
  limit = 15_000,
): Promise<Exclude<Value, false | null | undefined>> {
  let last: unknown
  for (const end = Date.now() + limit; Date.now() < end; await delay(20)) {
    try {
      const value = await condition()
      if (value) return value as Exclude<Value, false | null | undefined>
      last = value
    } catch (error) {
      last = error
    }
  }
  throw new Error(`not so within ${limit} ms: ${condition.toString()}; last: ${String(last)}`)
}
