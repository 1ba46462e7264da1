import { randomUUID } from 'node:crypto'
import type { App, Process } from '../store/rows.ts'
import type { Store } from '../store/store.ts'

/** Inserts a process with Cloud Controller's defaults, as part of the running transaction. */
export function insertProcess(store: Store, app: App, type: string, fields: Partial<Process> & { guid?: string } = {}): Process {
  return store.processes.insert({
    app: app.guid,
    type,
    command: null,
    instances: type === 'web' ? 1 : 0,
    memoryMb: 1024,
    diskMb: 1024,
    logRateLimit: -1,
    healthCheck: { type: type === 'web' ? 'port' : 'process', timeout: null, invocationTimeout: null, interval: null, endpoint: null },
    readinessCheck: { type: 'process', invocationTimeout: null, interval: null, endpoint: null },
    version: randomUUID(),
    revision: null,
    droplet: app.droplet,
    labels: {},
    annotations: {},
    ...fields,
  })
}

/** The process of that type; of several web processes (a deployment is under way) the newest. */
export function processOf(store: Store, app: string, type: string): Process | undefined {
  return store.processes
    .by('app', app)
    .filter((process) => process.type === type)
    .sort((a, b) => b.seq - a.seq)[0]
}

/** Diego's guid of what runs a process. */
export function diegoGuid({ guid, version }: Process): string {
  return `${guid}-${version}`
}
