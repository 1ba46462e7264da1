import { setTimeout as delay } from 'node:timers/promises'
import type { EngineName } from '../../test/support/mesh.ts'
import type { World } from '../world/world.ts'

export interface Seen {
  status: number
  body: string
  cookie: string
}

/** Judges the answers of one router in their order: whether this one shows the change. */
export type Shows = (answer: Seen) => boolean

export interface Watched {
  host: string
  path?: string
  /** Milliseconds between two questions. */
  pace?: number
  shows: () => Shows
  /** Makes the change; the clock runs from this call. */
  act: () => Promise<unknown>
}

/** Milliseconds from the change's begin at the platform to the first answer that shows it, by engine. */
export type Lags = Partial<Record<EngineName, number>>

const limit = 60_000

/** Makes a change and asks every router again and again until its answers show it. */
export async function watch(world: World, { host, path, pace = 2, shows, act }: Watched): Promise<Lags> {
  let began = Number.POSITIVE_INFINITY
  const lags: Lags = {}
  const watching = world.routers.map(async ({ engine, http }) => {
    const shown = shows()
    for (const end = performance.now() + limit; performance.now() < end; await delay(pace)) {
      const asked = performance.now()
      const answer = await world.ask(http, host, path)
      if (asked < began || !shown(answer)) continue
      lags[engine] = performance.now() - began
      return
    }
    throw new Error(`${engine} at ${world.routes} routes never showed the change of ${host}`)
  })
  await Promise.all([
    ...watching,
    (async () => {
      await delay(2 * pace)
      began = performance.now()
      await act()
    })(),
  ])
  return lags
}
