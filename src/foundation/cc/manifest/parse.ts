import { parseDocument, visit, isAlias } from 'yaml'
import { asText, isObject } from '../../json.ts'
import { bodyFaults } from '../body.ts'
import { badRequest, messageParseError, unprocessable } from '../errors.ts'
import { ProcessScale, ProcessUpdate } from '../processes.ts'
import { bytes, isByteFault, megabytes } from './bytes.ts'

/** One application of a manifest, as its author wrote it, keys with underscores. */
export type RawApp = Record<string, unknown> & { name: string }

export interface ManifestProcess {
  type: string
  update: ProcessUpdate
  scale: ProcessScale
}

export interface ManifestRoute {
  route: string
  protocol?: 'http1' | 'http2'
  options?: unknown
}

/** One application of a manifest, checked. What the manifest leaves out is absent. */
export interface ManifestApp {
  name: string
  processes: ManifestProcess[]
  buildpacks?: string[]
  stack?: string
  env?: Record<string, unknown>
  features?: Record<string, boolean>
  metadata?: unknown
  services: string[]
  routes?: ManifestRoute[]
  routing: 'none' | 'random' | 'default' | undefined
}

/** Reads a manifest's YAML. Throws Cloud Controller's errors for what is no manifest. */
export function readManifest(text: unknown): RawApp[] {
  if (typeof text !== 'string') throw badRequest('Content-Type must be yaml')
  const document = parseDocument(text)
  if (document.errors.length) throw messageParseError('invalid request body')
  visit(document, {
    Node(_key, node) {
      if (isAlias(node)) throw badRequest('Manifest does not support Anchors and Aliases')
    },
  })
  const manifest: unknown = document.toJS()
  if (!isObject(manifest)) throw messageParseError('invalid request body')
  if (manifest['version'] !== undefined && manifest['version'] !== 1)
    throw unprocessable('Unsupported manifest schema version. Currently supported versions: [1].')
  const { applications } = manifest
  if (!Array.isArray(applications) || !applications.length) throw unprocessable("Cannot parse manifest with no 'applications' field.")
  return applications.map((app: unknown, at) => {
    if (!isObject(app)) throw unprocessable(`For application at index ${at}: must be an object`)
    const raw = underscored(app)
    if (typeof raw['name'] !== 'string' || !raw['name']) throw unprocessable(`For application at index ${at}: Name must not be empty`)
    return raw as RawApp
  })
}

/** Checks one application; the second part are the sentences that tell its faults. */
export function checkApp(raw: RawApp): { app: ManifestApp; faults: string[] } {
  const faults: string[] = []
  const app: ManifestApp = {
    name: raw.name,
    processes: processes(raw, faults),
    services: [raw['services'] ?? []].flat().map((service) => asText(isObject(service) ? service['name'] : service)),
    routing: raw['no_route'] ? 'none' : raw['random_route'] ? 'random' : raw['default_route'] ? 'default' : undefined,
  }
  if (raw['docker'] !== undefined) faults.push('Feature Disabled: diego_docker')
  if (raw['lifecycle'] === 'cnb') faults.push('Feature Disabled: diego_cnb')
  if (raw['sidecars'] !== undefined) faults.push('Sidecars are not supported by this foundation')
  if (raw['buildpack'] !== undefined && raw['buildpacks'] !== undefined)
    faults.push('Buildpack and Buildpacks fields cannot be used together.')
  const buildpacks =
    raw['buildpacks'] ??
    ([undefined, null, 'default', 'null'].includes(raw['buildpack'] as string) ? ('buildpack' in raw ? [] : undefined) : [raw['buildpack']])
  if (Array.isArray(buildpacks) && buildpacks.every((name) => typeof name === 'string')) app.buildpacks = buildpacks
  else if (buildpacks !== undefined) faults.push('Buildpacks must be an array')
  if (typeof raw['stack'] === 'string') app.stack = raw['stack']
  if (raw['env'] !== undefined && raw['env'] !== null) {
    if (isObject(raw['env']))
      app.env = Object.fromEntries(Object.entries(raw['env']).map(([name, value]) => [name, value === null ? '' : asText(value)]))
    else faults.push('Env must be an object of keys and values')
  }
  if (isObject(raw['features'])) app.features = raw['features'] as Record<string, boolean>
  if (raw['metadata'] !== undefined) app.metadata = raw['metadata']
  for (const [field, label] of [
    ['no_route', 'No-route'],
    ['random_route', 'Random-route'],
    ['default_route', 'Default-route'],
  ] as const) {
    if (raw[field] !== undefined && raw[field] !== null && typeof raw[field] !== 'boolean') faults.push(`${label} must be a boolean`)
  }
  if (raw['random_route'] && raw['default_route']) faults.push('Random-route and default-route may not be used together')
  if (raw['routes'] !== undefined) app.routes = routes(raw['routes'], faults)
  return { app, faults }
}

function routes(value: unknown, faults: string[]): ManifestRoute[] {
  if (!Array.isArray(value) || !value.every((route) => isObject(route) && route['route'])) {
    faults.push('Routes must be a list of route objects')
    return []
  }
  for (const { route, protocol } of value as Record<string, unknown>[]) {
    if (typeof route !== 'string' || !/^(https?:\/\/)?[^\s/:]+(\/\S*)?$/i.test(route))
      faults.push(`The route '${String(route)}' is not a properly formed URL`)
    if (protocol !== undefined && protocol !== null && !['http1', 'http2', 'tcp'].includes(protocol as string))
      faults.push("Route protocol must be 'http1', 'http2' or 'tcp'.")
  }
  return value as ManifestRoute[]
}

function processes(raw: RawApp, faults: string[]): ManifestProcess[] {
  const listed = raw['processes'] ?? []
  if (!Array.isArray(listed) || !listed.every(isObject)) {
    faults.push('Processes must be an array of process configurations')
    return []
  }
  const own = listed.map(underscored)
  if (own.some(({ type }) => !type)) faults.push('All Processes must specify a type')
  for (const type of new Set(own.map((process) => process['type']))) {
    if (own.filter((process) => process['type'] === type).length > 1) faults.push(`Process "${String(type)}" may only be present once`)
  }
  const web = own.some(({ type }) => type === 'web') ? [] : [{ ...raw, type: 'web' }]
  return [...web, ...own].map((process) => manifestProcess(process, faults))
}

function manifestProcess(raw: Record<string, unknown>, faults: string[]): ManifestProcess {
  const type = String(raw['type'])
  const fault = (text: string) => faults.push(`Process "${type}": ${text}`)
  const quantity = (field: string, label: string, convert: (text: string) => number | string): number | undefined => {
    if (raw[field] === undefined || raw[field] === null) return undefined
    const value = convert(asText(raw[field]))
    if (!isByteFault(value)) return value
    fault(`${label} ${value}`)
    return undefined
  }
  const scale = compact({
    instances: raw['instances'],
    memory_in_mb: quantity('memory', 'Memory', megabytes),
    disk_in_mb: quantity('disk_quota', 'Disk quota', megabytes),
    log_rate_limit_in_bytes_per_second: quantity('log_rate_limit_per_second', 'Log rate limit per second', (text) =>
      text === '-1' || text === '0' ? Number(text) : bytes(text),
    ),
  })
  const check = (prefix: string) => {
    const data = compact({
      timeout: prefix === 'health_check_' ? (raw['timeout'] ?? raw['health_check_timeout']) : undefined,
      invocation_timeout: raw[`${prefix}invocation_timeout`],
      interval: raw[`${prefix}interval`],
      endpoint: raw[`${prefix}http_endpoint`],
    })
    const kind = raw[`${prefix}type`] === 'none' ? 'process' : raw[`${prefix}type`]
    return kind === undefined && !Object.keys(data).length ? undefined : compact({ type: kind, data })
  }
  const command = 'command' in raw ? { command: ['null', 'default', ''].includes(raw['command'] as string) ? null : raw['command'] } : {}
  const update = compact({ ...command, health_check: check('health_check_'), readiness_health_check: check('readiness_health_check_') })
  for (const text of [...bodyFaults(ProcessScale, scale), ...bodyFaults(ProcessUpdate, update)]) fault(text)
  return { type, update, scale }
}

function compact(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}

/** `disk-quota` → `disk_quota`, in the keys of one object. */
function underscored(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key.replaceAll('-', '_'), value]))
}
