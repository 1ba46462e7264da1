import { Gauge, type Registry } from 'prom-client'
import type { Fault } from '../model/fault.ts'
import type { Translator } from '../translate/translator.ts'

/** What cannot be served: records that keep their last good version, and what resources are degraded by. */
export function faultsOf(translator: Translator): { faults: Fault[]; degraded: { key: string; reasons: string[] }[] } {
  return {
    faults: translator.faults,
    degraded: [...translator.rules.degradations.keys()].map((key) => ({ key, reasons: translator.degraded(key) })),
  }
}

/** Counts the records that cannot be served as they are now. */
export function countFaults(registry: Registry, faults: () => Fault[]): void {
  registry.registerMetric(
    new Gauge({
      name: 'mesh_pilot_faulty_records',
      help: 'Records whose newest version cannot be served; their last good version stays in force',
      labelNames: ['kind'],
      registers: [],
      collect() {
        this.reset()
        for (const { kind } of faults()) this.inc({ kind })
      },
    }),
  )
}
