import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parse, stringify } from 'yaml'
import { messageOf, problem } from '../../common/problem.ts'
import type { Apps } from './apps.ts'
import { zipFolder } from './package.ts'
import type { V3Resource } from './session.ts'

export const ManifestUnreadable = problem('MESHCTL_MANIFEST_UNREADABLE', 422, (file: string, why: string) => `${file}: ${why}`)

/** A manifest of `cf push`, with its variables filled in. */
export interface Manifest {
  file: string
  applications: ManifestApp[]
}

/** One application, as its author wrote it. Cloud Controller knows the other fields. */
export interface ManifestApp {
  name: string
  /** Folder with the app's files, absolute. */
  path: string
  [field: string]: unknown
}

/**
 * Reads a manifest and fills in `((NAME))` as `cf push --var` does: the value alone is YAML, within other text it is text. Throws
 * `MESHCTL_MANIFEST_UNREADABLE` for what is no manifest, for variables that are not given, and for folders that are not there.
 */
export function readManifest(file: string, variables: Record<string, string> = {}): Manifest {
  const fault = (why: string): never => {
    throw ManifestUnreadable(file, why)
  }
  const missing = new Set<string>()
  const manifest = filled(parsed(file), variables, missing) as { applications?: unknown } | null
  if (missing.size) fault(`give the variables ${[...missing].join(', ')} with --var NAME=VALUE`)
  const listed = manifest?.applications
  if (!Array.isArray(listed) || !listed.length) return fault('has no list of applications')
  const applications = (listed as (Record<string, unknown> | null)[]).map((app, position): ManifestApp => {
    const { name, path = '.' } = app ?? {}
    if (typeof name !== 'string' || !name) return fault(`applications[${position}].name is missing`)
    if (typeof path !== 'string') return fault(`applications[${position}].path is no text`)
    const folder = resolve(dirname(file), path)
    if (!existsSync(folder)) fault(`applications[${position}].path: there is no folder ${folder}`)
    return { ...app, name, path: folder }
  })
  const twice = applications.find(({ name }, position) => applications.findIndex((app) => app.name === name) < position)
  if (twice) fault(`has two applications ${twice.name}`)
  return { file, applications }
}

function parsed(file: string): unknown {
  try {
    return parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw ManifestUnreadable(file, messageOf(error))
  }
}

function filled(value: unknown, variables: Record<string, string>, missing: Set<string>): unknown {
  const inner = (one: unknown): unknown => filled(one, variables, missing)
  if (Array.isArray(value)) return value.map(inner)
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, inner(one)]))
  if (typeof value !== 'string') return value
  const given = (name: string): string => {
    if (variables[name] === undefined) missing.add(name)
    return variables[name] ?? ''
  }
  const [, whole] = /^\(\(([\w./-]+)\)\)$/.exec(value) ?? []
  return whole === undefined ? value.replaceAll(/\(\(([\w./-]+)\)\)/g, (_text, name: string) => given(name)) : parse(given(whole))
}

/**
 * What `cf push` does with a manifest: Cloud Controller applies it, then every app gets its files and is started. A folder is zipped once.
 */
export async function pushManifest(
  apps: Apps,
  { applications }: Manifest,
  progress: (app: string, step: string) => void,
): Promise<V3Resource[]> {
  await apps.applyManifest(stringify({ version: 1, applications: applications.map(withRoute) }, { aliasDuplicateObjects: false }))
  const zips = new Map<string, Promise<Buffer>>()
  const pushed = []
  for (const { name, path } of applications) {
    const bits = zips.get(path) ?? zipFolder(path)
    zips.set(path, bits)
    const app = await apps.get(name)
    await apps.deploy(app, await bits, (step) => progress(name, step))
    pushed.push(app)
  }
  await Promise.all(pushed.map((app) => apps.running(app)))
  return pushed
}

/** As the cf CLI does, one without any word about routes gets its default route. */
function withRoute(app: ManifestApp): object {
  const decided = ['routes', 'no-route', 'random-route', 'default-route'].some((field) => field in app)
  return decided ? app : { ...app, 'default-route': true }
}
