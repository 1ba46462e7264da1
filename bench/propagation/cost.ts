import { setTimeout as delay } from 'node:timers/promises'
import { usageOf, usedSince, type Usage } from '../meter.ts'
import type { World } from '../world/world.ts'
import { mapRoute, routeOf, unmapRoute } from './changes.ts'
import { watch } from './watch.ts'

/** What one change costs each process. */
export type Cost = Record<string, Usage>

/** Milliseconds between two changes: far enough apart that none is joined to the next. */
const pace = 40

/** Maps and unmaps `count` routes with nobody asking, and takes off what as much time costs without any change. */
export async function costOfAChange(world: World, count: number): Promise<Cost> {
  const processes = world.processes()
  const hosts = Array.from({ length: count }, (_, n) => `cost-${n}`)
  for (const host of hosts) await routeOf(world, host)
  const now = (): Cost => Object.fromEntries(Object.entries(processes).map(([name, pids]) => [name, usageOf(pids)]))
  const run = async (change: (host: string, n: number) => Promise<void>): Promise<void> => {
    for (const [n, host] of hosts.entries()) {
      const next = delay(pace)
      await change(host, n)
      await next
    }
  }
  const begin = now()
  const began = performance.now()
  await run((host, n) => mapRoute(world, host, world.apps[n % world.apps.length]!))
  await run((host) => unmapRoute(world, host))
  await watch(world, { host: hosts.at(-1)!, pace: 50, shows: () => ({ status }) => status === 404, act: async () => {} })
  const end = now()
  const busy = performance.now() - began
  await delay(2000)
  const idleBegin = now()
  const idleFor = Math.min(busy, 10_000)
  await delay(idleFor)
  const idleEnd = now()
  return Object.fromEntries(
    Object.keys(processes).map((name) => {
      const used = usedSince(begin[name]!, end[name]!)
      const idle = usedSince(idleBegin[name]!, idleEnd[name]!)
      const share = (key: keyof Usage): number => Math.max(0, used[key] - (idle[key] * busy) / idleFor) / (2 * count)
      return [name, { cpu: share('cpu'), read: share('read'), written: share('written') }]
    }),
  )
}
