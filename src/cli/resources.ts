import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { messageOf } from '../common/problem.ts'
import { kindInfo, kindNamed, resourceKinds } from '../mesh/istio/kinds.ts'
import type { ResourceKind } from '../mesh/istio/types.ts'
import type { Cli } from './cli.ts'
import { FileUnreadable, Usage } from './problems.ts'
import { targetedSpace } from './session/target.ts'

/** A file, or what came by standard input. */
export interface Source {
  name: string
  text: string
}

/** The texts of files, of all YAML and JSON files directly in folders, and of standard input (`-`). */
export function readSources(files: string[]): Source[] {
  return files.flatMap((file) => {
    if (/^https?:\/\//.test(file)) throw Usage(`-f: addresses are not read; write curl -sf ${file} | meshctl … -f -`)
    if (file === '-') return [{ name: 'standard input', text: readText(0) }]
    return (filesIn(file) ?? [file]).map((name) => ({ name, text: readText(name) }))
  })
}

/** Those of a folder by name; undefined where it is none. */
function filesIn(folder: string): string[] | undefined {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return undefined
  return readdirSync(folder)
    .filter((name) => /\.(ya?ml|json)$/.test(name))
    .sort()
    .map((name) => join(folder, name))
    .filter((path) => !statSync(path, { throwIfNoEntry: false })?.isDirectory())
}

/** Throws `MESHCTL_FILE_UNREADABLE`. */
function readText(file: string | 0): string {
  try {
    const bytes = readFileSync(file)
    // What PowerShell redirects begins with this mark (YAML 1.2, 5.2).
    const encoding = bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : 'utf-8'
    return new TextDecoder(encoding).decode(bytes)
  } catch (error) {
    throw FileUnreadable('-f', file || 'standard input', messageOf(error))
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

/** A resource as people name it on a command line. */
export interface Target {
  kind: ResourceKind
  name: string
}

const shortKinds = resourceKinds.map((known) => kindInfo[known].short).join(', ')

/** Reads `vs/canary`. Throws `MESHCTL_USAGE`. */
export function readTarget(written: string): Target {
  const [called = '', name = '', ...more] = written.split('/')
  const kind = kindNamed(called)
  if (!kind || !name || more.length) throw Usage(`${written} is no resource; write KIND/NAME with one of ${shortKinds}, as vs/canary`)
  return { kind, name }
}

/** Reads `vs,dr`, or `all`. Throws `MESHCTL_USAGE`. */
export const readKinds = (written: string): ResourceKind[] =>
  (written === 'all' ? shortKinds : written)
    .split(/, */)
    .map((one) => kindNamed(one) ?? refuse(`${one || JSON.stringify(one)} is no kind; there are ${shortKinds}`))

function refuse(sentence: string): never {
  throw Usage(sentence)
}

/** Reads `vs/canary dr/hello`, or `vs canary other`. Throws `MESHCTL_USAGE`. */
export function readTargets([first = '', ...others]: string[]): Target[] {
  if (first.includes('/') || !others.length) return [first, ...others].map(readTarget)
  return readKinds(first).flatMap((kind) => others.map((name) => ({ kind, name })))
}

/** The path of a resource at copilot's API. */
export const pathOf = ({ kind, name }: Target, namespace: string): string =>
  `/v1/resources/${kind.toLowerCase()}/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`

/** `vs/canary`. */
export const shortTarget = ({ kind, name }: Target): string => `${kindInfo[kind].short}/${name}`

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
  for (const { path, message } of warnings) err.write(`  warning: ${shortKey(key)}: ${path ? `${path}: ` : ''}${message}`)
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
export const shortName = ({ kind, metadata: { name } }: Pick<ShownResource, 'kind' | 'metadata'>): string =>
  shortTarget({ kind: kindNamed(kind)!, name })

export const condition = ({ status }: ShownResource, type: string): string =>
  status.conditions.find((one) => one.type === type)?.status ?? 'Unknown'
