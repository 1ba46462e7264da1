import { randomUUID } from 'node:crypto'
import type { Diego } from '../diego.ts'
import type { Actor, App, Deployment, Metadata, Process } from '../store/rows.ts'
import type { Store } from '../store/store.ts'
import { assignDroplet, setState } from './app-lifecycle.ts'
import { audit } from './audit.ts'
import type { Platform } from './context.ts'
import { appTarget } from './deletion.ts'
import { unprocessable } from './errors.ts'
import { diegoGuid, processOf } from './process-rows.ts'
import { createRevision } from './revisions.ts'

export interface DeploymentRequest {
  droplet: string | undefined
  revision: string | undefined
  options: {
    max_in_flight?: number
    web_instances?: number
    memory_in_mb?: number
    disk_in_mb?: number
    log_rate_limit_in_bytes_per_second?: number
  }
  metadata: Metadata
}

/**
 * Rolling deployments: a second web process comes up beside the old ones, `max_in_flight` instances at a time; for each
 * that runs an old one goes. When all run, the old processes are gone and the other types are restarted.
 */
export class RollingDeployments {
  readonly #store: Store
  readonly #diego: Diego
  readonly #pending = new Set<string>()

  constructor({ store, diego }: Platform) {
    this.#store = store
    this.#diego = diego
    diego.onInstanceChange((processGuid) => this.#onInstanceChange(processGuid))
  }

  /** Begins a deployment, as part of the running transaction. Throws UnprocessableEntity where there is nothing to deploy. */
  create(app: App, { droplet: dropletGuid, revision: revisionGuid, options, metadata }: DeploymentRequest, actor: Actor): Deployment {
    const store = this.#store
    const revision = store.revisions.get(revisionGuid)
    if (revisionGuid && revision?.app !== app.guid) throw unprocessable('The revision does not exist')
    const droplet = store.droplets.get(dropletGuid ?? revision?.droplet ?? app.droplet)
    if (!droplet)
      throw unprocessable(
        revision
          ? 'Unable to deploy this revision, the droplet for this revision no longer exists.'
          : 'Invalid droplet. Please specify a droplet in the request or set a current droplet for the app.',
      )
    if (droplet.app !== app.guid || droplet.state !== 'STAGED')
      throw unprocessable('Unable to assign current droplet. Ensure the droplet exists and belongs to this app.')

    const current = processOf(store, app.guid, 'web')!
    const previous = store.processes.by('app', app.guid).filter(({ type }) => type === 'web')
    const superseded = store.deployments.by('app', app.guid).find(({ state }) => state === 'DEPLOYING')
    if (superseded) store.deployments.update(superseded.guid, { state: 'SUPERSEDED', changedAt: Date.now() })
    if (revision) store.apps.update(app.guid, { environment: revision.environment })
    const assigned = assignDroplet(store, store.apps.get(app.guid)!, droplet, actor)
    const instances = options.web_instances ?? superseded?.instances ?? current.instances
    const running = app.state === 'STARTED'
    const process = running ? this.#newProcess(assigned, current, revision?.description) : current
    const sized = store.processes.update(process.guid, {
      memoryMb: options.memory_in_mb ?? process.memoryMb,
      diskMb: options.disk_in_mb ?? process.diskMb,
      logRateLimit: options.log_rate_limit_in_bytes_per_second ?? process.logRateLimit,
      ...(revision && { command: revision.commands['web'] ?? null }),
    })
    const now = Date.now()
    const deployment = store.deployments.insert({
      app: app.guid,
      droplet: droplet.guid,
      previousDroplet: app.droplet,
      revision: sized.revision,
      strategy: 'rolling',
      maxInFlight: options.max_in_flight ?? 1,
      state: running ? 'DEPLOYING' : 'DEPLOYED',
      process: sized.guid,
      instances,
      previous: running ? previous.map(({ guid, instances }) => ({ guid, instances })) : [],
      lastHealthyAt: now,
      changedAt: now,
      ...metadata,
    })
    audit(
      store,
      'audit.app.deployment.create',
      actor,
      appTarget(app),
      { space: app.space },
      { deployment_guid: deployment.guid, droplet_guid: droplet.guid, type: revision ? 'rollback' : 'deploy', strategy: 'rolling' },
    )
    if (running) this.#step(deployment)
    else setState(store, assigned, 'start', actor)
    return store.deployments.get(deployment.guid)!
  }

  /** Takes back a deployment, as part of the running transaction. */
  cancel(deployment: Deployment, actor: Actor): void {
    const store = this.#store
    const app = store.apps.get(deployment.app)!
    store.processes.remove(deployment.process)
    for (const { guid, instances } of deployment.previous) if (store.processes.get(guid)) store.processes.update(guid, { instances })
    if (deployment.previousDroplet && store.droplets.get(deployment.previousDroplet))
      store.apps.update(app.guid, { droplet: deployment.previousDroplet })
    store.deployments.update(deployment.guid, { state: 'CANCELED', changedAt: Date.now() })
    audit(store, 'audit.app.deployment.cancel', actor, appTarget(app), { space: app.space }, { deployment_guid: deployment.guid })
  }

  #newProcess(app: App, current: Process, description: string | undefined): Process {
    const revision = createRevision(this.#store, app, description && `Rolled back: ${description}`)
    this.#store.apps.update(app.guid, { revision })
    const { guid: _guid, seq: _seq, createdAt: _created, updatedAt: _updated, ...settings } = current
    return this.#store.processes.insert({ ...settings, instances: 0, version: randomUUID(), droplet: app.droplet, revision })
  }

  /** Later, and once for many changes: whoever tells of a change may be in the middle of what we asked for. */
  #onInstanceChange(processGuid: string): void {
    for (const { guid, process: web } of this.#store.deployments.by('active', 'yes')) {
      const process = this.#store.processes.get(web)
      if (!process || diegoGuid(process) !== processGuid || this.#pending.has(guid)) continue
      this.#pending.add(guid)
      setImmediate(() => {
        this.#pending.delete(guid)
        const deployment = this.#store.deployments.get(guid)
        if (deployment?.state === 'DEPLOYING') this.#store.transaction(() => this.#step(deployment))
      })
    }
  }

  /** Brings up what may come up next, and takes away what has been replaced. */
  #step(deployment: Deployment): void {
    const store = this.#store
    const process = store.processes.get(deployment.process)!
    const running = this.#diego
      .instances(diegoGuid(process))
      .filter(({ state, routable }) => state === 'RUNNING' && routable !== false).length
    if (running >= deployment.instances) return this.#finish(deployment)
    const wanted = Math.min(deployment.instances, Math.max(process.instances, running + deployment.maxInFlight))
    if (wanted !== process.instances) store.processes.update(process.guid, { instances: wanted })
    if (running > 0) store.deployments.update(deployment.guid, { lastHealthyAt: Date.now() }, { touch: false })
    let excess = running + this.#previous(deployment).reduce((sum, { instances }) => sum + instances, 0) - deployment.instances
    for (const old of this.#previous(deployment)) {
      if (excess <= 0) break
      const kept = Math.max(0, old.instances - excess)
      excess -= old.instances - kept
      if (kept !== old.instances) store.processes.update(old.guid, { instances: kept })
    }
  }

  #finish(deployment: Deployment): void {
    const store = this.#store
    const { guid } = deployment
    for (const { guid: old } of deployment.previous) store.processes.remove(old)
    const process = store.processes.update(deployment.process, { instances: deployment.instances })
    for (const other of store.processes.by('app', deployment.app)) {
      if (other.guid !== process.guid)
        store.processes.update(other.guid, { version: randomUUID(), droplet: deployment.droplet, revision: process.revision })
    }
    store.deployments.update(guid, { state: 'DEPLOYED', lastHealthyAt: Date.now(), changedAt: Date.now() })
  }

  /** The web processes being replaced, oldest first. */
  #previous({ previous }: Deployment): Process[] {
    return previous.flatMap(({ guid }) => this.#store.processes.get(guid) ?? []).sort((a, b) => a.seq - b.seq)
  }
}
