import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { messageOf } from '../../../common/problem.ts'
import { CompileFailed } from './errors.ts'

export interface PackageJson {
  main?: string
  scripts: Record<string, string>
  dependencies: Record<string, string>
}

/** What staging looks at in an app's files. */
export interface AppFolder {
  path: string
  has: (name: string) => boolean
  packageJson: PackageJson | undefined
  /** Command by process type. */
  procfile: Record<string, string>
  /** Settings of a `Staticfile`; absent without one. */
  staticfile: Record<string, unknown> | undefined
}

export function readAppFolder(path: string): AppFolder {
  const has = (name: string): boolean => statSync(join(path, name), { throwIfNoEntry: false })?.isFile() ?? false
  const read = (name: string): string | undefined => (has(name) ? readFileSync(join(path, name), 'utf8') : undefined)
  return {
    path,
    has,
    packageJson: parsePackageJson(read('package.json')),
    procfile: parseProcfile(read('Procfile') ?? ''),
    staticfile: parseStaticfile(read('Staticfile')),
  }
}

/** Lines of `type: command`, as Heroku's and Cloud Foundry's. */
function parseProcfile(text: string): Record<string, string> {
  const lines = text.split(/\r?\n/).map((line) => /^\s*([\w-]+)\s*:\s*(.*\S)\s*$/.exec(line))
  return Object.fromEntries(lines.flatMap((line) => (line ? [[line[1]!, line[2]!]] : [])))
}

function parsePackageJson(text: string | undefined): PackageJson | undefined {
  if (text === undefined) return undefined
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw CompileFailed(`package.json: ${messageOf(error)}`)
  }
  if (!isObject(json)) throw CompileFailed('package.json: is not an object')
  return {
    ...(typeof json['main'] === 'string' ? { main: json['main'] } : {}),
    scripts: strings(json['scripts']),
    dependencies: strings(json['dependencies']),
  }
}

function parseStaticfile(text: string | undefined): Record<string, unknown> | undefined {
  if (text === undefined) return undefined
  try {
    const settings: unknown = parse(text)
    return isObject(settings) ? settings : {}
  } catch (error) {
    throw CompileFailed(`Staticfile: ${messageOf(error)}`)
  }
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)

const strings = (value: unknown): Record<string, string> =>
  isObject(value)
    ? Object.fromEntries(Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
    : {}
