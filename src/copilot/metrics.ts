import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { kinds } from '../mesh/records.ts'
import type { Api } from './api/server.ts'
import type { Store } from './store/store.ts'
import type { Watchers } from './watchers.ts'

/** Metrics of the store and the watches, read when they are asked for. */
export function measureStore(registry: Registry, { store, watchers }: { store: Store; watchers: Watchers }): void {
  const registers = [registry]
  new Gauge({
    name: 'mesh_copilot_revision',
    help: 'Newest revision',
    registers,
    collect() {
      this.set(store.state.revision)
    },
  })
  new Gauge({
    name: 'mesh_copilot_records',
    help: 'Records by kind',
    labelNames: ['kind'],
    registers,
    collect() {
      for (const kind of kinds) this.set({ kind }, store.state.records[kind])
    },
  })
  new Gauge({
    name: 'mesh_copilot_watchers',
    help: 'Watches under way',
    registers,
    collect() {
      this.set(watchers.list().length)
    },
  })
  new Gauge({
    name: 'mesh_copilot_watcher_lag_revisions',
    help: 'Revisions that a watcher has not been sent yet',
    labelNames: ['watcher'],
    registers,
    collect() {
      this.reset()
      for (const { peer, revision } of watchers.list()) this.set({ watcher: peer }, store.state.revision - revision)
    },
  })
  new Counter({
    name: 'mesh_copilot_store_errors_total',
    help: 'Failures of the store by code',
    labelNames: ['code'],
    registers,
    collect() {
      this.reset()
      for (const [code, failures] of Object.entries(store.health.failures)) this.inc({ code }, failures)
    },
  })
}

/** How long requests take, by route; streams without end are left out. */
export function measureRequests(registry: Registry): (api: Api) => void {
  const duration = new Histogram({
    name: 'mesh_copilot_request_duration_seconds',
    help: 'Time from a request to its whole answer',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60],
    registers: [registry],
  })
  return (api) =>
    api.addHook('onResponse', async (request, reply) => {
      duration.observe(
        { method: request.method, route: request.routeOptions.url ?? 'none', status: reply.statusCode },
        reply.elapsedTime / 1000,
      )
    })
}
