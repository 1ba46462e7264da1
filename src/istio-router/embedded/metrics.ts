import { Counter, Gauge, type Registry } from 'prom-client'

/** What the engine counts. Plain numbers, so that a request pays next to nothing; prom-client reads them when it is asked. */
export interface EngineMetrics {
  /** Finished requests by the first digit of their status; 0 for those that ended without one. */
  requests: number[]
  active: number
  connectFailures: number
  retries: number
  overflows: number
  refused: number
  logLinesDropped: number
}

/** Makes the counters and has `registry` show them. */
export function createEngineMetrics(registry: Registry): EngineMetrics {
  const metrics: EngineMetrics = {
    requests: [0, 0, 0, 0, 0, 0],
    active: 0,
    connectFailures: 0,
    retries: 0,
    overflows: 0,
    refused: 0,
    logLinesDropped: 0,
  }
  const registers = [registry]
  new Counter({
    name: 'mesh_router_requests_total',
    help: 'Finished requests by class of their status',
    labelNames: ['class'],
    registers,
    collect() {
      this.reset()
      metrics.requests.forEach((count, digit) => this.inc({ class: digit === 0 ? 'none' : `${digit}xx` }, count))
    },
  })
  new Gauge({
    name: 'mesh_router_requests_active',
    help: 'Requests in flight',
    registers,
    collect() {
      this.set(metrics.active)
    },
  })
  const counters: [keyof EngineMetrics, string, string][] = [
    ['connectFailures', 'mesh_router_connect_failures_total', 'Tries that could not reach their instance'],
    ['retries', 'mesh_router_retries_total', 'Requests tried again'],
    ['overflows', 'mesh_router_overflows_total', 'Requests refused by a circuit breaker'],
    ['refused', 'mesh_router_refused_resources_total', 'Resources that could not be taken'],
    [
      'logLinesDropped',
      'mesh_router_access_log_dropped_total',
      'Access log lines dropped because nobody read them, or they could not be written',
    ],
  ]
  for (const [key, name, help] of counters) {
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset()
        this.inc(metrics[key] as number)
      },
    })
  }
  return metrics
}
