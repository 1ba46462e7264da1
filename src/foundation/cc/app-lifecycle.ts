import { randomUUID } from 'node:crypto'
import type { Actor, App, Droplet } from '../store/rows.ts'
import type { Store } from '../store/store.ts'
import { audit } from './audit.ts'
import { appTarget } from './deletion.ts'
import { insertProcess, processOf } from './process-rows.ts'
import { createRevision } from './revisions.ts'

/** Starts, stops or restarts an app, as part of the running transaction. A process that starts gets a new version. */
export function setState(store: Store, app: App, action: 'start' | 'stop' | 'restart', actor: Actor): void {
  const type = `audit.app.${action}`
  if (action === 'stop') {
    if (app.state === 'STARTED') store.apps.update(app.guid, { state: 'STOPPED' })
  } else if (action === 'restart' || app.state === 'STOPPED') {
    const revision = createRevision(store, app)
    store.apps.update(app.guid, { state: 'STARTED', revision })
    for (const process of store.processes.by('app', app.guid))
      store.processes.update(process.guid, { version: randomUUID(), revision, droplet: app.droplet })
  }
  if (action !== 'start') supersede(store, app, action === 'stop' ? 'CANCELED' : 'SUPERSEDED')
  audit(store, type, actor, appTarget(app), { space: app.space })
}

/** A deployment under way ends when the app is stopped or restarted; of its web processes only the newest stays. */
export function supersede(store: Store, app: App, state: 'CANCELED' | 'SUPERSEDED'): void {
  for (const deployment of store.deployments.by('app', app.guid)) {
    if (deployment.state !== 'DEPLOYING') continue
    store.deployments.update(deployment.guid, { state, changedAt: Date.now() })
    for (const { guid } of deployment.previous) store.processes.remove(guid)
    if (store.processes.get(deployment.process)) store.processes.update(deployment.process, { instances: deployment.instances })
  }
}

/** Makes a droplet the app's current one, with a process for each of its types, as part of the running transaction. */
export function assignDroplet(store: Store, app: App, droplet: Droplet, actor: Actor): App {
  const after = store.apps.update(app.guid, { droplet: droplet.guid })
  for (const type of Object.keys(droplet.processTypes)) {
    if (!processOf(store, app.guid, type)) insertProcess(store, after, type)
  }
  audit(store, 'audit.app.droplet.mapped', actor, appTarget(app), { space: app.space }, { request: { droplet_guid: droplet.guid } })
  return after
}
