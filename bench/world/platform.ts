// The world's Cloud Foundry in one process: the foundation's Cloud Controller, UAA and BBS over cells of any size.
import { pino } from 'pino'
import { loadRoutes } from '../../src/foundation/bulk.ts'
import { BbsServer } from '../../src/foundation/diego/bbs/server.ts'
import { createFoundation } from '../../src/foundation/foundation.ts'
import { readTls } from '../../src/common/tls.ts'
import type { TlsConfig } from '../../src/common/config.ts'
import { Cells } from './cells.ts'
import { given, offer } from './remote.ts'

export interface PlatformOptions {
  folder: string
  /** Certificate of BBS. */
  tls: TlsConfig
  ports: { cloudController: number; uaa: number; logCache: number; bbs: number }
  /** Port at which instances answer. */
  instances: number
  meshDomain: string
}

const { folder, tls, ports, instances, meshDomain } = given<PlatformOptions>()
const host = '127.0.0.1'
const log = pino({ level: 'error' })
const cells = new Cells(instances)
const foundation = await createFoundation({
  data: folder,
  cloudController: { http: { host, port: ports.cloudController } },
  uaa: { http: { host, port: ports.uaa } },
  logCache: { http: { host, port: ports.logCache } },
  admin: { username: 'admin', password: 'admin' },
  clients: [{ id: 'syncer', secret: 'secret', authorities: ['cloud_controller.admin_read_only'] }],
  tokens: { accessSeconds: 86_400, refreshSeconds: 86_400 },
  systemDomain: 'sys.test',
  domains: [{ name: meshDomain, internal: false }],
  diego: cells,
  log,
})
const { store } = foundation
for (const part of [...foundation.parts, new BbsServer({ bbs: cells.bbs, listen: { host, port: ports.bbs }, tls: readTls(tls), log })])
  await part.start()

const methods = {
  /** Started apps with a route `app-N.DOMAIN` each, even over the spaces; answers their guids in order. */
  load({ spaces, routes, instances }: { spaces: string[]; routes: number; instances: number }): string[] {
    const domain = store.domains.first('name', meshDomain)!.guid
    const each = Math.ceil(routes / spaces.length)
    for (const [at, space] of spaces.entries())
      loadRoutes(store, { routes: Math.min(each, routes - at * each), instances, space, domain, host: (n) => `app-${at * each + n}` })
    return [...store.apps.values()].map(({ guid }) => guid)
  },
  /** Maps routes to their apps, or unmaps them, all in one transaction; answers after Diego has been told. */
  map(changes: { route: string; app: string | null }[]): void {
    const now = Date.now()
    store.transaction(() => {
      for (const { route, app } of changes) {
        const destinations = app
          ? [
              {
                guid: crypto.randomUUID(),
                app,
                type: 'web',
                port: 8080,
                protocol: 'http1' as const,
                weight: null,
                createdAt: now,
                updatedAt: now,
              },
            ]
          : []
        store.routes.update(route, { destinations }, { touch: false })
      }
    })
  },
  /** The guids of an app's web instances by index. */
  instancesOf: (app: string): string[] => cells.of(processOf(app)),
  crash: (app: string, index: number): void => cells.crash(processOf(app), index),
}

function processOf(app: string): string {
  const [process] = store.processes.by('app', app)
  return `${process!.guid}-${process!.version}`
}

export type PlatformMethods = typeof methods
offer(methods)
