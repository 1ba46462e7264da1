import { setTimeout as delay } from 'node:timers/promises'
import { costOfEach, type Usage } from '../meter.ts'
import type { World } from '../world/world.ts'
import { mapRoute, routeOf, unmapRoute } from './changes.ts'
import { watch } from './watch.ts'

/** What one change costs each process. */
export type Cost = Record<string, Usage>

/** Milliseconds between two changes: far enough apart that none is joined to the next. */
const pace = 40

/** Maps and unmaps `count` routes with nobody asking. */
export async function costOfAChange(world: World, count: number): Promise<Cost> {
  const hosts = Array.from({ length: count }, (_, n) => `cost-${n}`)
  for (const host of hosts) await routeOf(world, host)
  const each = async (change: (host: string, n: number) => Promise<void>): Promise<void> => {
    for (const [n, host] of hosts.entries()) {
      const next = delay(pace)
      await change(host, n)
      await next
    }
  }
  const run = async (): Promise<void> => {
    await each((host, n) => mapRoute(world, host, world.apps[n % world.apps.length]!))
    await each((host) => unmapRoute(world, host))
    await watch(world, {
      host: hosts.at(-1)!,
      pace: 50,
      shows:
        () =>
        ({ status }) =>
          status === 404,
      act: async () => {},
    })
  }
  return costOfEach(world.processes(), { run, count: 2 * count, settle: 2000, idleFor: (busy) => Math.min(busy, 10_000) })
}
