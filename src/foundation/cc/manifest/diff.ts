import { isObject } from '../../json.ts'
import type { Space } from '../../store/rows.ts'
import type { Store } from '../../store/store.ts'
import { isByteFault, megabytes } from './bytes.ts'
import type { RawApp } from './parse.ts'
import { appManifest } from './present.ts'

export interface Difference {
  op: 'add' | 'replace' | 'remove'
  path: string
  was?: unknown
  value?: unknown
}

/** Fields of a manifest that a diff tells of, as the manifest spells them. */
const fields = [
  'buildpacks',
  'command',
  'disk_quota',
  'env',
  'features',
  'health-check-http-endpoint',
  'health-check-interval',
  'health-check-invocation-timeout',
  'health-check-type',
  'instances',
  'log-rate-limit-per-second',
  'memory',
  'metadata',
  'name',
  'no-route',
  'processes',
  'random-route',
  'default-route',
  'readiness-health-check-http-endpoint',
  'readiness-health-check-interval',
  'readiness-health-check-invocation-timeout',
  'readiness-health-check-type',
  'routes',
  'services',
  'stack',
  'timeout',
]
const sizes = ['memory', 'disk_quota']
/** Elements of these lists are told apart by a field. */
const identities: Record<string, string> = { processes: 'type', routes: 'route' }

/** What applying the manifest would change, as JSON Patch operations with `was`. */
export function manifestDiff(store: Store, space: Space, apps: RawApp[]): Difference[] {
  return apps.flatMap((raw, at) => {
    const app = store.apps.by('name', raw.name).find((candidate) => candidate.space === space.guid)
    const current = app ? appManifest(store, app) : {}
    const web = (current['processes'] as Record<string, unknown>[] | undefined)?.find(({ type }) => type === 'web')
    const existing: Record<string, unknown> = { ...current, ...web }
    const wanted = dashed(raw)
    return Object.entries(wanted).flatMap(([key, value]) => {
      if (!fields.includes(key) || (existing[key] === undefined && sizes.includes(key))) return []
      return differences(`/applications/${at}/${key}`, trimmed(key, existing[key], value), value)
    })
  })
}

/** Manifest keys as diffs spell them: all with dashes, but `disk_quota`; sizes in megabytes. */
function dashed(raw: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(raw).map(([key, value]) => {
      const name = sizes.includes(key) ? key : key.replaceAll('_', '-')
      if (sizes.includes(name)) return [name, normalised(value)]
      if (name === 'processes' && Array.isArray(value))
        return [name, value.map((process) => (isObject(process) ? dashed(process) : process))]
      return [name, value]
    }),
  )
}

function normalised(value: unknown): unknown {
  const size = megabytes(String(value))
  return isByteFault(size) ? value : `${size}M`
}

/** What a manifest does not mention in a list's element stays as it is, and so is no difference. */
function trimmed(key: string, existing: unknown, wanted: unknown): unknown {
  const identity = identities[key]
  if (key === 'features' && isObject(existing) && isObject(wanted)) return pick(existing, Object.keys(wanted))
  if (!identity || !Array.isArray(existing) || !Array.isArray(wanted)) return existing
  return wanted.map((element: Record<string, unknown>) => {
    const held = existing.find((one: Record<string, unknown>) => one[identity] === element[identity]) as Record<string, unknown> | undefined
    return held && pick(held, Object.keys(element))
  })
}

function pick(from: Record<string, unknown>, keys: string[]): Record<string, unknown> {
  return Object.fromEntries(keys.filter((key) => key in from).map((key) => [key, from[key]]))
}

function differences(path: string, was: unknown, value: unknown): Difference[] {
  if (was === undefined || was === null) return value === undefined || value === null ? [] : [{ op: 'add', path, value }]
  if (isObject(was) && isObject(value)) {
    const keys = [...new Set([...Object.keys(was), ...Object.keys(value)])]
    return keys.flatMap((key) =>
      key in value
        ? differences(`${path}/${key}`, was[key], value[key])
        : [{ op: 'remove' as const, path: `${path}/${key}`, was: was[key] }],
    )
  }
  if (Array.isArray(was) && Array.isArray(value)) {
    const gone = was.slice(value.length).map((one, at): Difference => ({ op: 'remove', path: `${path}/${value.length + at}`, was: one }))
    return [...value.flatMap((one, at) => differences(`${path}/${at}`, was[at], one)), ...gone]
  }
  return JSON.stringify(was) === JSON.stringify(value) ? [] : [{ op: 'replace', path, was, value }]
}
