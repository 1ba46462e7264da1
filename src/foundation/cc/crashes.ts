import type { Crash, Diego } from '../diego.ts'
import type { App, Process } from '../store/rows.ts'
import type { Store } from '../store/store.ts'
import { audit } from './audit.ts'
import { appTarget } from './deletion.ts'
import { diegoGuid } from './process-rows.ts'

/**
 * Writes the audit events of crashes, as Cloud Controller does when Diego tells it of one: `app.crash`, which `cf events` shows, and
 * `audit.app.process.crash`.
 */
export function auditCrashes(store: Store, diego: Diego): void {
  diego.onCrash((crash) => {
    const process = store.processes.values().find((one) => diegoGuid(one) === crash.processGuid)
    const app = store.apps.get(process?.app)
    if (!process || !app) return
    diego.emitLog({
      appGuid: app.guid,
      instance: '0',
      sourceType: 'API',
      message: `Process has crashed with type: "${process.type}"`,
      type: 'OUT',
    })
    record(store, app, process, crash)
  })
}

function record(store: Store, app: App, process: Process, { instanceGuid, cellId, index, count, reason, at }: Crash): void {
  const data = {
    instance: instanceGuid,
    index,
    cell_id: cellId,
    reason: 'CRASHED',
    exit_description: reason,
    crash_count: count,
    crash_timestamp: at * 1_000_000,
    version: process.version,
  }
  store.transaction(() => {
    audit(store, 'app.crash', { guid: app.guid, type: 'app', name: app.name }, appTarget(app), { space: app.space }, data)
    audit(
      store,
      'audit.app.process.crash',
      { guid: process.guid, type: 'process', name: process.type },
      appTarget(app),
      { space: app.space },
      data,
    )
  })
}
