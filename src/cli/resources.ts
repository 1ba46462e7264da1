import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { messageOf, Problem } from '../common/problem.ts'
import { kindInfo, kindNamed, resourceKinds } from '../mesh/istio/kinds.ts'
import type { Cli } from './cli.ts'
import { FileUnreadable, Usage } from './problems.ts'
import { targetedSpace } from './session/target.ts'

/** A file, or what came by standard input. */
export interface Source {
  name: string
  text: string
}

/** The texts of files, of all YAML and JSON files of folders, and of standard input (`-`). */
export function readSources(files: string[]): Source[] {
  try {
    return files.flatMap((file) => {
      if (/^https?:\/\//.test(file)) throw Usage(`-f: addresses are not read; write curl -sf ${file} | meshctl … -f -`)
      if (file === '-') return [{ name: 'standard input', text: readFileSync(0, 'utf8') }]
      if (!statSync(file).isDirectory()) return [{ name: file, text: readFileSync(file, 'utf8') }]
      const inside = readdirSync(file)
        .filter((name) => /\.(ya?ml|json)$/.test(name))
        .sort()
      return inside.map((name) => ({ name: join(file, name), text: readFileSync(join(file, name), 'utf8') }))
    })
  } catch (error) {
    if (error instanceof Problem) throw error
    throw FileUnreadable('-f', files.join(', '), messageOf(error))
  }
}

export const namespaceOption = [
  '-n, --namespace <space>',
  'name or guid of the space, or ORGANIZATION/SPACE; else MESH_NAMESPACE, else that of `cf target`, else that of the running `npm start`',
] as const
export const fileOption = [
  '-f, --filename <path>',
  'a file, a folder, or - for standard input; can be given several times',
  (path: string, before: string[] = []): string[] => [...before, path],
] as const

/** The namespace that a command is meant for. */
export function namespaceOf(command: Command, environment: NodeJS.ProcessEnv): string {
  return command.opts<{ namespace?: string }>().namespace ?? targetedSpace(command, environment)
}

/** The path of a resource at copilot's API, from `vs/NAME`. */
export function pathOf(target: string, namespace: string): string {
  const [kind = '', name = '', ...more] = target.split('/')
  if (!kindNamed(kind) || !name || more.length)
    throw Usage(
      `${target} is no resource; write KIND/NAME with one of ${resourceKinds.map((known) => kindInfo[known].short).join(', ')}, as vs/canary`,
    )
  return `/v1/resources/${kindNamed(kind)!.toLowerCase()}/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`
}

/** What came, or would come, of applying or deleting a resource. */
export interface ApplyOutcome {
  /** `KIND/NAMESPACE/NAME`. */
  key: string
  outcome: string
  warnings: { code: string; path: string; message: string }[]
  before?: object
  after?: object
}

/** `vs/canary`, from `virtualservice/SPACE/canary`. */
export function shortKey(key: string): string {
  const [kind = '', , name] = key.split('/')
  const known = kindNamed(kind)
  return `${known ? kindInfo[known].short : kind}/${name}`
}

/** Says what came of a change, with its warnings. */
export function showOutcome({ key, outcome, warnings }: ApplyOutcome, { out, err }: Pick<Cli, 'out' | 'err'>, dryRun = false): void {
  out.write(`${shortKey(key)} ${outcome}${dryRun ? ' (dry run)' : ''}`)
  for (const { path, message } of warnings) err.write(`  warning: ${path ? `${path}: ` : ''}${message}`)
}

/** A resource as copilot shows it. */
export interface ShownResource {
  apiVersion: string
  kind: string
  metadata: {
    name: string
    namespace: string
    labels: Record<string, string>
    generation: number
    createdAt: string
    resourceVersion: string
  }
  spec: Record<string, unknown>
  status: {
    conditions: { type: string; status: string; message?: string }[]
    warnings: { code: string; path: string; message: string }[]
    /** Its namespace as people call it. */
    space: string
  }
}

/** `vs/canary`. */
export const shortName = ({ kind, metadata }: Pick<ShownResource, 'kind' | 'metadata'>): string =>
  `${kindInfo[kindNamed(kind)!].short}/${metadata.name}`

export const condition = ({ status }: ShownResource, type: string): string =>
  status.conditions.find((one) => one.type === type)?.status ?? 'Unknown'
