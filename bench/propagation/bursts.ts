import { setTimeout as delay } from 'node:timers/promises'
import type { EngineName } from '../../test/support/mesh.ts'
import type { World } from '../world/world.ts'
import { mapRoute, routeOf, unmapRoute } from './changes.ts'
import { watch, type Lags } from './watch.ts'

/** How many routes of a burst are asked for, the last one among them. */
const looks = 50

/** Maps `count` routes in one moment, and unmaps them again: until the last of those that are asked for answers so. */
export async function burst(world: World, count: number): Promise<{ map: Lags; unmap: Lags }> {
  const hosts = Array.from({ length: count }, (_, n) => `burst-${n}`)
  const routes: string[] = []
  for (const host of hosts) routes.push(await routeOf(world, host))
  const change = async (app: (n: number) => string | null, status: number): Promise<Lags> => {
    const began = performance.now()
    const told = world.platform.call(
      'map',
      routes.map((route, n) => ({ route, app: app(n) })),
    )
    const lags: Lags = {}
    await Promise.all(
      world.routers.map(async ({ engine, http }) => {
        for (let n = count - 1; n >= 0; n -= Math.ceil(count / looks))
          while ((await world.ask(http, hosts[n]!)).status !== status) await delay(2)
        lags[engine] = performance.now() - began
      }),
    )
    await told
    return lags
  }
  return { map: await change((n) => world.apps[n % world.apps.length]!, 200), unmap: await change(() => null, 404) }
}

/** Seconds until a host is changed again. */
const reuse = 20

export interface SteadyLag {
  engine: EngineName
  /** Seconds since the begin. */
  at: number
  lag: number
}

/** Changes at a steady rate, each one awaited by itself at each router. */
export async function steady(world: World, { rate, seconds }: { rate: number; seconds: number }): Promise<SteadyLag[]> {
  const hosts = Array.from({ length: rate * reuse }, (_, n) => `steady-${n}`)
  for (const host of hosts) await routeOf(world, host)
  const lags: SteadyLag[] = []
  const under: Promise<void>[] = []
  const began = performance.now()
  const busy = new Set<string>()
  for (let n = 0; n < rate * seconds; n++) {
    await delay(Math.max(0, began + (n * 1000) / rate - performance.now()))
    const host = hosts[n % hosts.length]!
    if (busy.has(host)) throw new Error(`${host} is still under way: lag above ${reuse} s`)
    busy.add(host)
    const map = Math.floor(n / hosts.length) % 2 === 0
    const at = (performance.now() - began) / 1000
    const act = () => (map ? mapRoute(world, host, world.apps[n % world.apps.length]!) : unmapRoute(world, host))
    under.push(
      watch(world, {
        host,
        pace: 20,
        shows:
          () =>
          ({ status }) =>
            status === (map ? 200 : 404),
        act,
      }).then((seen) => {
        for (const [engine, lag] of Object.entries(seen)) lags.push({ engine: engine as EngineName, at, lag })
        busy.delete(host)
      }),
    )
  }
  await Promise.all(under)
  return lags
}
