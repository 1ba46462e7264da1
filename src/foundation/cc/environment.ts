import type { App, Droplet, Process } from '../store/rows.ts'
import type { Store } from '../store/store.ts'
import { asText } from '../json.ts'
import { unprocessable } from './errors.ts'
import { routeUrl } from './routes.ts'

/**
 * An app's variables after a change: null removes one. Throws UnprocessableEntity with Cloud Controller's sentences
 * where one may not be set.
 */
export function mergeEnvironment(changes: unknown, current: Record<string, string> = {}): Record<string, string> {
  if (changes === undefined || changes === null) return current
  if (typeof changes !== 'object' || Array.isArray(changes)) throw unprocessable('Environment variables must be an object')
  const faults = Object.entries(changes).flatMap(([name, value]) => variableFaults(name, value))
  if (faults.length) throw unprocessable(faults.map((fault) => `Environment variables ${fault}`).join(', '))
  const entries = Object.entries({ ...current, ...changes }).filter(([, value]) => value !== null && value !== undefined)
  return Object.fromEntries(entries.map(([name, value]) => [name, asText(value)]))
}

function variableFaults(name: string, value: unknown): string[] {
  if (!name) return ['key must be a minimum length of 1']
  if (name.startsWith('VCAP_')) return ['cannot start with VCAP_']
  if (name === 'PORT') return ['cannot set PORT']
  if (name.includes('\0') || name.includes('=')) return ['key must not contain "=" or null characters']
  return value !== null && typeof value === 'object' ? [`must have string values for ${name}`] : []
}

/** `VCAP_APPLICATION` as Cloud Controller builds it. */
export function vcapApplication(store: Store, api: string, app: App, process?: Process): Record<string, unknown> {
  const space = store.spaces.get(app.space)!
  const organization = store.organizations.get(space.organization)!
  const uris = store.routes.by('app', app.guid).map((route) => routeUrl(store, route))
  const { memoryMb, diskMb } = process ?? store.processes.by('app', app.guid)[0]!
  return {
    cf_api: api,
    limits: { fds: 16_384, mem: memoryMb, disk: diskMb },
    application_name: app.name,
    application_uris: uris,
    name: app.name,
    space_name: space.name,
    space_id: space.guid,
    organization_id: organization.guid,
    organization_name: organization.name,
    uris,
    ...(process && {
      process_id: process.guid,
      process_type: process.type,
      application_version: process.version,
      version: process.version,
    }),
    application_id: app.guid,
    users: null,
  }
}

/** What a process of an app finds in its environment, beside what Diego adds. */
export function processEnvironment(
  store: Store,
  api: string,
  app: App,
  process: Process,
  environment: Record<string, string>,
): Record<string, string> {
  return {
    ...environment,
    VCAP_APPLICATION: JSON.stringify(vcapApplication(store, api, app, process)),
    VCAP_SERVICES: '{}',
  }
}

/** The command that a process runs: its own, or the droplet's for its type. */
export function commandOf(process: Process, droplet: Droplet | undefined): string {
  return process.command ?? droplet?.processTypes[process.type] ?? ''
}
