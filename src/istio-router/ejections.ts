import { Counter, Gauge, type Registry } from 'prom-client'
import type { Ejection } from '../common/ejection.ts'

/** What decides how long an instance stays away, milliseconds. */
export interface EjectionTimes {
  /** Between two looks at who may return. */
  interval: number
  /** The first time; after each further one as much longer. */
  base: number
  most: number
}

interface Entry extends Pick<Ejection, 'cluster' | 'instance' | 'address' | 'times' | 'cause'> {
  since: number
  until: number
  interval: number
  /** For how many ejections it has to make up, by as many intervals without one. */
  owed: number
  returnedAt: number | undefined
}

/**
 * Who was ejected, as an engine tells it. How long that lasts, and when it is forgiven, goes by Envoy's rules (outlier detection,
 * `ejectTimeBackoff`).
 */
export class Ejections {
  readonly #byCluster = new Map<string, Map<string, Entry>>()
  readonly #now: () => number
  #total = 0

  constructor(metrics: Registry, now: () => number = Date.now) {
    this.#now = now
    const total = (): number => this.#total
    const open = (): number => this.list().filter(({ state }) => state === 'open').length
    metrics.registerMetric(
      new Counter({
        name: 'mesh_router_ejections_total',
        help: 'Instances left out for a while because they failed',
        registers: [],
        collect() {
          this.reset()
          this.inc(total())
        },
      }),
    )
    metrics.registerMetric(
      new Gauge({
        name: 'mesh_router_ejected',
        help: 'Instances left out at present',
        registers: [],
        collect() {
          this.set(open())
        },
      }),
    )
  }

  /** An instance is left out from `at` on, milliseconds since 1970. */
  ejected(
    { cluster, address, instance, cause }: Pick<Ejection, 'cluster' | 'address' | 'instance' | 'cause'>,
    { interval, base, most }: EjectionTimes,
    at = this.#now(),
  ): void {
    this.#total++
    const before = this.#byCluster.get(cluster)?.get(address)
    const owed = (before ? this.#owed(before, at) : 0) + 1
    const until = at + Math.min(base * owed, Math.max(most, base))
    const entry = {
      cluster,
      address,
      instance,
      cause,
      since: at,
      until,
      interval,
      owed,
      times: (before?.times ?? 0) + 1,
      returnedAt: undefined,
    }
    this.#byCluster.set(cluster, (this.#byCluster.get(cluster) ?? new Map<string, Entry>()).set(address, entry))
  }

  /** It is asked again. */
  returned(cluster: string, address: string, at = this.#now()): void {
    const entry = this.#byCluster.get(cluster)?.get(address)
    if (entry) entry.returnedAt = at
  }

  /** Forgets what is no more among a cluster's addresses, which are asked for only where anything is known of it. */
  keep(cluster: string, addresses: () => readonly string[]): void {
    const entries = this.#byCluster.get(cluster)
    if (!entries) return
    const there = new Set(addresses())
    for (const address of entries.keys()) if (!there.has(address)) entries.delete(address)
    if (entries.size === 0) this.#byCluster.delete(cluster)
  }

  /** Forgets a cluster, which begins anew; or all. */
  forget(cluster?: string): void {
    if (cluster === undefined) this.#byCluster.clear()
    else this.#byCluster.delete(cluster)
  }

  /** Those that are out, and those that are asked again on trial. */
  list(): Ejection[] {
    const now = this.#now()
    return [...this.#byCluster.values()]
      .flatMap((entries) => [...entries.values()])
      .flatMap((entry) => {
        const state = entry.returnedAt === undefined ? 'open' : this.#owed(entry, now) > 0 ? 'half-open' : undefined
        if (!state) return []
        const { cluster, instance, address, since, until, times, cause } = entry
        return [
          {
            cluster,
            instance,
            address,
            state,
            since: new Date(since).toISOString(),
            until: new Date(until).toISOString(),
            times,
            cause,
          } satisfies Ejection,
        ]
      })
  }

  #owed({ owed, returnedAt, interval }: Entry, now: number): number {
    return returnedAt === undefined ? owed : Math.max(0, owed - Math.floor((now - returnedAt) / interval))
  }
}
