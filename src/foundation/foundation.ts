import { join } from 'node:path'
import type { Logger } from '../common/log.ts'
import type { Part } from '../common/lifecycle.ts'
import { appRoutes } from './cc/apps.ts'
import { appSettingRoutes } from './cc/app-settings.ts'
import { auditEventRoutes } from './cc/audit-events.ts'
import { buildRoutes } from './cc/builds.ts'
import type { Platform } from './cc/context.ts'
import { auditCrashes } from './cc/crashes.ts'
import { deploymentRoutes } from './cc/deployments.ts'
import { destinationRoutes } from './cc/destinations.ts'
import { DiegoSync } from './cc/diego-sync.ts'
import { domainRoutes } from './cc/domains.ts'
import { dropletRoutes, sweepBlobs } from './cc/droplets.ts'
import { environmentGroupRoutes, updateEnvironmentGroup } from './cc/environment-groups.ts'
import { featureFlagRoutes } from './cc/feature-flags.ts'
import { jobRoutes } from './cc/jobs.ts'
import { manifestRoutes } from './cc/manifest/routes.ts'
import { organizationRoutes } from './cc/organizations.ts'
import { packageRoutes } from './cc/packages.ts'
import { platformRoutes } from './cc/platform.ts'
import { processRoutes } from './cc/processes.ts'
import { quotaRoutes } from './cc/quotas.ts'
import { revisionRoutes } from './cc/revisions.ts'
import { roleRoutes } from './cc/roles.ts'
import { routeSharingRoutes } from './cc/route-sharing.ts'
import { routeRoutes } from './cc/routes.ts'
import { createCloudController } from './cc/server.ts'
import { spaceRoutes } from './cc/spaces.ts'
import { userRoutes } from './cc/users.ts'
import type { FoundationConfig } from './config.ts'
import type { Diego } from './diego.ts'
import { Directory, HttpService, type Listen, type ServerCertificate } from './http.ts'
import { createLogCache } from './log-cache.ts'
import { Store } from './store/store.ts'
import { ensureAdmin } from './uaa/accounts.ts'
import { SigningKey } from './uaa/keys.ts'
import { createUaa } from './uaa/server.ts'

const resources = [
  organizationRoutes,
  spaceRoutes,
  userRoutes,
  roleRoutes,
  domainRoutes,
  routeRoutes,
  destinationRoutes,
  routeSharingRoutes,
  appRoutes,
  appSettingRoutes,
  processRoutes,
  packageRoutes,
  buildRoutes,
  dropletRoutes,
  deploymentRoutes,
  revisionRoutes,
  manifestRoutes,
  jobRoutes,
  auditEventRoutes,
  quotaRoutes,
  featureFlagRoutes,
  environmentGroupRoutes,
  platformRoutes,
]

export type FoundationOptions = Pick<
  FoundationConfig,
  'data' | 'cloudController' | 'uaa' | 'logCache' | 'admin' | 'clients' | 'tokens' | 'systemDomain' | 'domains' | 'rateLimit'
> & {
  /** Variables of the running environment variable group that are set at each start. */
  environment?: Record<string, string>
  /** What runs the apps; it shares the store's life. */
  diego: Diego
  certificate?: ServerCertificate | undefined
  log: Logger
}

export interface Foundation {
  store: Store
  cloudController: HttpService
  uaa: HttpService
  logCache: HttpService
  /** To be started in this order. */
  parts: Part[]
}

/** Where packages and droplets lie. */
export function blobFolder(data: string): string {
  return join(data, 'blobs')
}

/** Cloud Controller, UAA and log cache over one store. */
export async function createFoundation({ diego, certificate, log, ...config }: FoundationOptions): Promise<Foundation> {
  const store = new Store(join(config.data, 'foundation.db'))
  const key = new SigningKey(config.data)
  const directory = new Directory()
  const blobs = blobFolder(config.data)
  const platform: Platform = { store, diego, directory, log, blobs, systemDomain: config.systemDomain }
  await ensureAdmin(store, config.admin.username, config.admin.password)
  ensureDomains(store, config.domains)
  if (config.environment) updateEnvironmentGroup(store, 'running', config.environment)
  sweepBlobs(store, blobs, (error) => log.warn({ err: error }, 'cannot remove a blob'))

  auditCrashes(store, diego)

  const uaaApi = await createUaa({ store, key, directory, log, clients: config.clients, ...config.tokens })
  const api = await createCloudController({ ...platform, key, resources, rateLimit: config.rateLimit })
  const cloudController = new HttpService('cloudController', api, config.cloudController, certificate)
  const secured = (listen: Listen): Listen => ({
    ...listen,
    https: listen.https ?? (config.cloudController.https && { ...listen.http, port: 0 }),
  })
  const uaa = new HttpService('uaa', uaaApi, secured(config.uaa), certificate)
  const logCache = new HttpService('logCache', createLogCache({ store, diego, key }), secured(config.logCache), certificate)
  for (const [name, service] of Object.entries({ cloudController, uaa, logCache })) directory.add(name as 'uaa', service)

  const sync = new DiegoSync(store, diego, () => `http://${config.cloudController.http.host}:${cloudController.port('http')}`)
  const state: Part = { name: 'state', start: async () => {}, stop: async () => store.close() }
  const desire: Part = { name: 'desired state', start: async () => sync.start(), stop: async () => {} }
  return { store, cloudController, uaa, logCache, parts: [state, uaa, logCache, cloudController, desire] }
}

function ensureDomains(store: Store, domains: { name: string; internal: boolean }[]): void {
  store.transaction(() => {
    for (const { name, internal } of domains) {
      if (store.domains.first('name', name.toLowerCase())) continue
      store.domains.insert({ name: name.toLowerCase(), internal, organization: null, sharedOrganizations: [], labels: {}, annotations: {} })
    }
  })
}
