import type { App, Process } from '../../store/rows.ts'
import type { Store } from '../../store/store.ts'
import { processOf } from '../process-rows.ts'
import { routeUrl } from '../routes.ts'
import { quantity } from './bytes.ts'

/** An app as a manifest would say it. */
export function appManifest(store: Store, app: App): Record<string, unknown> {
  const types = [...new Set(store.processes.by('app', app.guid).map(({ type }) => type))]
  const routes = store.routes.by('app', app.guid).flatMap((route) => {
    const { protocol } = route.destinations.find((destination) => destination.app === app.guid)!
    return { route: routeUrl(store, route), protocol, ...(Object.keys(route.options).length && { options: route.options }) }
  })
  const metadata = { ...filled('labels', app.labels), ...filled('annotations', app.annotations) }
  return {
    name: app.name,
    ...filled('env', app.environment),
    stack: app.lifecycle.stack,
    ...(app.lifecycle.buildpacks.length && { buildpacks: app.lifecycle.buildpacks }),
    features: app.features,
    ...(routes.length && { routes: routes.sort((a, b) => (a.route < b.route ? -1 : 1)) }),
    ...filled('metadata', metadata),
    processes: types.map((type) => manifestProcess(processOf(store, app.guid, type)!)),
  }
}

function manifestProcess({
  type,
  instances,
  memoryMb,
  diskMb,
  logRateLimit,
  command,
  healthCheck,
  readinessCheck,
}: Process): Record<string, unknown> {
  return {
    type,
    instances,
    memory: `${memoryMb}M`,
    disk_quota: `${diskMb}M`,
    'log-rate-limit-per-second': logRateLimit > 0 ? quantity(logRateLimit) : String(logRateLimit),
    ...(command !== null && { command }),
    'health-check-type': healthCheck.type,
    ...(healthCheck.type === 'http' && { 'health-check-http-endpoint': healthCheck.endpoint }),
    ...(healthCheck.invocationTimeout !== null && { 'health-check-invocation-timeout': healthCheck.invocationTimeout }),
    ...(healthCheck.interval !== null && { 'health-check-interval': healthCheck.interval }),
    ...(healthCheck.timeout !== null && { timeout: healthCheck.timeout }),
    'readiness-health-check-type': readinessCheck.type,
    ...(readinessCheck.type === 'http' && { 'readiness-health-check-http-endpoint': readinessCheck.endpoint }),
    ...(readinessCheck.invocationTimeout !== null && { 'readiness-health-check-invocation-timeout': readinessCheck.invocationTimeout }),
    ...(readinessCheck.interval !== null && { 'readiness-health-check-interval': readinessCheck.interval }),
  }
}

function filled(name: string, fields: object): Record<string, unknown> {
  return Object.keys(fields).length ? { [name]: fields } : {}
}
