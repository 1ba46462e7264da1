import type { DesiredProcess, DesiredRoute, Diego } from '../diego.ts'
import type { App, Process, Route } from '../store/rows.ts'
import type { RowChange, Store } from '../store/store.ts'
import { environmentGroup } from './environment-groups.ts'
import { commandOf, processEnvironment } from './environment.ts'
import { diegoGuid } from './process-rows.ts'
import { routeUrl } from './routes.ts'

/**
 * Keeps Diego's desired processes what Cloud Controller's rows say. It follows the store, so that no action has to think
 * of it: each commit's changes are traced to their apps, and what those apps' processes look like to Diego is told anew
 * where it differs.
 */
export class DiegoSync {
  readonly #store: Store
  readonly #diego: Diego
  readonly #api: () => string
  /** What Diego was last told, by app and process guid. */
  readonly #desired = new Map<string, Map<string, DesiredProcess>>()

  /** `api` is Cloud Controller's address, for `VCAP_APPLICATION`. */
  constructor(store: Store, diego: Diego, api: () => string) {
    this.#store = store
    this.#diego = diego
    this.#api = api
    store.onCommit((changes) => {
      for (const app of new Set(changes.flatMap((change) => this.#appsOf(change)))) this.#sync(app)
    })
  }

  /** Desires all that is started: after Diego came up. */
  start(): void {
    for (const { guid } of this.#store.apps.values()) this.#sync(guid)
  }

  #appsOf({ kind, before, after }: RowChange): string[] {
    if (kind === 'app') return [(after ?? before)!.guid]
    if (kind === 'process') return [((after ?? before) as Process).app]
    if (kind !== 'route') return []
    return [before, after].flatMap((route) => (route as Route | undefined)?.destinations.map(({ app }) => app) ?? [])
  }

  #sync(guid: string): void {
    const before = this.#desired.get(guid) ?? new Map<string, DesiredProcess>()
    const after = this.#wanted(this.#store.apps.get(guid), before)
    if (after.size) this.#desired.set(guid, after)
    else this.#desired.delete(guid)
    for (const process of after.values()) if (!same(before.get(process.processGuid), process)) this.#diego.desire(process)
    for (const processGuid of before.keys()) if (!after.has(processGuid)) this.#diego.remove(processGuid)
  }

  #wanted(app: App | undefined, before: Map<string, DesiredProcess>): Map<string, DesiredProcess> {
    if (app?.state !== 'STARTED') return new Map()
    const routes = this.#store.routes.by('app', app.guid)
    const processes = this.#store.processes
      .by('app', app.guid)
      .map((process) => this.#desiredProcess(app, process, routes, before.get(diegoGuid(process))))
    return new Map(processes.flatMap((process) => (process ? [[process.processGuid, process] as const] : [])))
  }

  /** A running version keeps what it was started with; only instances and routes change in place. */
  #desiredProcess(app: App, process: Process, routes: Route[], running: DesiredProcess | undefined): DesiredProcess | undefined {
    const { routable, internal, ports } = this.#mapped(routes, process)
    const changing = { instances: process.instances, routes: routable, internalRoutes: internal }
    if (running) return { ...running, ...changing }
    const store = this.#store
    const droplet = store.droplets.get(process.droplet ?? app.droplet)
    const command = commandOf(process, droplet)
    if (!droplet || !command) return undefined
    const space = store.spaces.get(app.space)!
    const organization = store.organizations.get(space.organization)!
    const { type, timeout, invocationTimeout, endpoint } = process.healthCheck
    return {
      processGuid: diegoGuid(process),
      appGuid: app.guid,
      appName: app.name,
      spaceGuid: space.guid,
      spaceName: space.name,
      organizationGuid: organization.guid,
      organizationName: organization.name,
      cfProcessGuid: process.guid,
      type: process.type,
      memoryMb: process.memoryMb,
      diskMb: process.diskMb,
      command,
      dropletGuid: droplet.guid,
      environment: processEnvironment(store, this.#api(), app, process, this.#environmentOf(app, process)),
      ports: process.type === 'web' ? ports : [],
      healthCheck: {
        type,
        ...(endpoint && { endpoint }),
        ...(timeout && { timeoutMs: timeout * 1000 }),
        ...(invocationTimeout && { invocationTimeoutMs: invocationTimeout * 1000 }),
      },
      ...(process.logRateLimit >= 0 && { logRateLimit: process.logRateLimit }),
      ...changing,
    }
  }

  #environmentOf(app: App, { revision }: Process): Record<string, string> {
    return { ...environmentGroup(this.#store, 'running'), ...(this.#store.revisions.get(revision)?.environment ?? app.environment) }
  }

  #mapped(routes: Route[], process: Process): { routable: DesiredRoute[]; internal: { hostname: string }[]; ports: number[] } {
    const routable: DesiredRoute[] = []
    const internal: { hostname: string }[] = []
    const ports = new Set<number>()
    for (const route of routes) {
      const hostname = routeUrl(this.#store, route)
      const isInternal = this.#store.domains.get(route.domain)!.internal
      for (const { app, type, port, protocol } of route.destinations) {
        if (app !== process.app || type !== process.type) continue
        ports.add(port)
        if (isInternal) internal.push({ hostname })
        else routable.push({ hostname, port, protocol, ...(Object.keys(route.options).length && { options: route.options }) })
      }
    }
    if (!ports.size) ports.add(8080)
    return { routable, internal, ports: [...ports].sort((a, b) => Number(b === 8080) - Number(a === 8080) || a - b) }
  }
}

/** Whether Diego need not be told. */
function same(a: DesiredProcess | undefined, b: DesiredProcess): boolean {
  const changing = ({ instances, routes, internalRoutes }: DesiredProcess) => JSON.stringify([instances, routes, internalRoutes])
  return a !== undefined && changing(a) === changing(b)
}
