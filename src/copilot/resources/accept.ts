import { setImmediate as breathe } from 'node:timers/promises'
import { analyse, foreignHosts, type World } from '../../mesh/istio/analyse.ts'
import { checkDocument, type Bounds, type Checked, type Draft } from '../../mesh/istio/check.ts'
import { codes, type Finding } from '../../mesh/istio/finding.ts'
import type { Resource } from '../../mesh/istio/types.ts'
import { resourceKey } from '../../mesh/records.ts'
import { Problem } from '../../common/problem.ts'
import type { Caller } from '../people/caller.ts'
import { resolveNamespace } from '../people/namespaces.ts'
import { NameTwice, VersionMalformed } from '../problems.ts'
import { canonical } from '../records.ts'
import type { ResourceChange, Store } from '../store/store.ts'
import { ResourcesRefused } from './findings.ts'
import { loadWorld } from './world.ts'

export interface Accepted {
  change: ResourceChange
  warnings: Finding[]
}

/**
 * Checks documents, resolves their namespaces to guids, and refuses spaces in which the caller may not write and hosts of other spaces.
 * Throws `ResourcesRefused` with every error of all of them.
 */
export async function accept(store: Store, documents: unknown[], namespace: string, caller: Caller, bounds: Bounds): Promise<Accepted[]> {
  const checked: Checked[] = []
  for (const document of documents) {
    checked.push(checkDocument(document, namespace, bounds))
    // A thousand of them take seconds, in which others are answered too.
    await breathe()
  }
  checked.forEach((one, position) => one.findings.push(...versionFaults(documents[position])))
  for (const one of checked) await place(store, one, caller)
  refuse(checked)
  const drafts = checked.map(({ resource }) => resource as Resource)
  const keys = drafts.map(resourceKey)
  const twice = keys.find((key, position) => keys.indexOf(key) !== position)
  if (twice) throw NameTwice(twice)

  const world = await loadWorld(store, drafts, new Map(keys.map((key, position) => [key, drafts[position]!])))
  checked.forEach((one, position) => one.findings.push(...foreign(drafts[position]!, world)))
  refuse(checked)
  return drafts.map((resource, position) => ({
    change: {
      key: keys[position]!,
      namespace: resource.metadata.namespace,
      value: canonical(resource),
      ...expectation(documents[position]),
    },
    warnings: [...checked[position]!.findings, ...analyse(inWorld(resource, world), world)],
  }))
}

/** Puts a resource into its namespace, by guid, where the caller may write there. */
async function place(store: Store, { resource, findings }: Checked, caller: Caller): Promise<void> {
  if (!resource) return
  try {
    const written = resource.metadata.namespace
    const namespace = await resolveNamespace(store, written, caller)
    await caller.requireWrite(namespace, written)
    resource.metadata.namespace = namespace
  } catch (error) {
    // What the caller can mend stands among the other errors; that nobody can tell his roles is another matter.
    if (!(error instanceof Problem) || error.status >= 500) throw error
    findings.push({ severity: 'error', code: error.code, path: 'metadata.namespace', message: error.message })
  }
}

function refuse(checked: Checked[]): void {
  const refused = checked
    .map(({ findings }, document) => ({ document, findings }))
    .filter(({ findings }) => findings.some(({ severity }) => severity === 'error'))
  if (refused.length) throw new ResourcesRefused(refused, checked.length)
}

function foreign(resource: Draft, world: World): Finding[] {
  return foreignHosts(resource, world).map(({ path, host }) => ({
    severity: 'error',
    code: codes.notOwned,
    path,
    message: `${host} is a route of another space; a resource shapes only routes of its own. Ask that space to apply it, or an operator`,
  }))
}

/** The resource as it stands in the world, with what an earlier version of it has. */
function inWorld(draft: Resource, world: World): Resource {
  return (
    [...world.resourcesOf(draft.metadata.namespace)].find((one) => one.kind === draft.kind && one.metadata.name === draft.metadata.name) ??
    draft
  )
}

/** Who sends back the version that was read wants to change that one and no other. Throws `MESH_VERSION_MALFORMED`. */
function expectation(document: unknown): { expected?: number } {
  const version = (document as { metadata?: { resourceVersion?: unknown } } | null)?.metadata?.resourceVersion
  return version === undefined || version === null ? {} : { expected: readVersion(version) }
}

/** That what was sent back as a version is none, told with all else that is wrong with the document. */
function versionFaults(document: unknown): Finding[] {
  try {
    expectation(document)
    return []
  } catch (error) {
    const { code, message, path = '' } = error as Problem
    return [{ severity: 'error', code, path, message: message.replace(`${path}: `, '') }]
  }
}

/** Throws `MESH_VERSION_MALFORMED`. */
export function readVersion(given: unknown): number {
  if (typeof given === 'string' && /^\d{1,15}$/.test(given)) return Number(given)
  throw VersionMalformed(given)
}
