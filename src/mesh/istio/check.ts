import { checkDestinationRule } from './check-destination-rule.ts'
import { checkGateway } from './check-gateway.ts'
import type { Limits } from './check-match.ts'
import { checkRateLimit } from './check-rate-limit.ts'
import { checkServiceEntry, type EgressRules } from './check-service-entry.ts'
import { checkVirtualService } from './check-virtual-service.ts'
import { codes, Findings, isWithin, within, type Finding } from './finding.ts'
import { kindInfo, refusedKinds, resourceKinds } from './kinds.ts'
import { nearest } from './nearest.ts'
import { parseDocuments, withoutNulls, type ParsedDocument } from './parse.ts'
import { checkStructure } from './structure.ts'
import type { Metadata, Resource, ResourceKind } from './types.ts'
import { labelPairFault, nameFault } from './values.ts'

/** What is allowed at most, and where to. */
export interface Bounds extends Limits {
  egress: EgressRules
}

export const defaultBounds: Bounds = { regexLength: 1024, headerBytes: 8192, egress: { allowed: [] } }

/** What an operator can allow at most. What keeps to it and not to the bounds of a copilot, that copilot alone can refuse. */
export const widestBounds: Bounds = { regexLength: Infinity, headerBytes: Infinity, egress: { allowed: ['0.0.0.0/0', '::/0'] } }

/** The largest resource, bytes as JSON: what Kubernetes, by etcd's default, takes too. */
const mostBytes = 1_048_576

/** A document that was read: the resource where nothing is wrong with it. */
export interface Checked {
  resource?: Draft
  kind?: string
  name?: string
  namespace?: string
  findings: Finding[]
  /** Line of the file at which the document begins, and of each field; 1 where it came as JSON. */
  line: number
  lineOf: (path: string) => number
}

/** A resource as somebody wrote it: what copilot adds is not there yet. */
export type Draft = Resource extends infer Each
  ? Each extends Resource
    ? Omit<Each, 'metadata'> & { metadata: Omit<Metadata, 'generation' | 'createdAt'> }
    : never
  : never

/** Reads and checks all documents of a YAML or JSON text. `namespace` is that of those which name none. */
export function checkText(text: string, namespace: string, bounds: Bounds = defaultBounds): Checked[] {
  return parseDocuments(text).map((document) => checkParsed(document, namespace, bounds))
}

/** Checks a document that was read. */
export function checkParsed({ value, line, findings, lineOf }: ParsedDocument, namespace: string, bounds: Bounds): Checked {
  return findings.length ? { findings, line, lineOf } : { ...checkDocument(value, namespace, bounds), line, lineOf }
}

/** Checks one resource: its kind, shape and sense. All errors are found at once. */
export function checkDocument(given: unknown, namespace: string, bounds: Bounds = defaultBounds): Checked {
  const findings = new Findings()
  const at = { line: 1, lineOf: () => 1 }
  const document = withoutNulls(given) as Record<string, unknown>
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    findings.error('', 'must be an object with apiVersion, kind, metadata and spec', codes.type)
    return { findings: findings.list, ...at }
  }
  const bytes = Buffer.byteLength(JSON.stringify(document))
  if (bytes > mostBytes) {
    findings.error('', `has ${bytes} bytes, and a resource can have ${mostBytes}; write several`, codes.tooLarge)
    return { findings: findings.list, ...at }
  }
  const kind = readKind(document, findings)
  const metadata = readMetadata(document['metadata'], namespace, findings)
  const named = {
    kind: typeof document['kind'] === 'string' ? document['kind'] : '',
    ...(metadata && { name: metadata.name, namespace: metadata.namespace }),
  }
  if (!kind) return { ...named, findings: findings.list, ...at }
  for (const name of Object.keys(document)) {
    if (['apiVersion', 'kind', 'metadata', 'spec', 'status'].includes(name)) continue
    const meant = nearest(name, ['apiVersion', 'kind', 'metadata', 'spec'])
    findings.error(name, `there is no such field${meant ? `; did you mean ${meant}?` : ''}`, codes.unknown)
  }
  const spec = normalize(kind, document['spec'] ?? {}, findings)
  checkStructure(kind, spec, findings)
  const resource = { apiVersion: kindInfo[kind].apiVersion, kind, metadata, spec } as unknown as Draft
  const shapeless = new Set(findings.list.flatMap(({ code, path }) => (code === codes.type && path.startsWith('spec') ? [path] : [])))
  if (metadata)
    checkSense(
      { ...resource, spec: shapeless.size ? without(spec, 'spec', shapeless) : spec } as unknown as Resource,
      findings,
      bounds,
      shapeless,
    )
  return { ...named, findings: distinct(findings.list), ...at, ...(!findings.failed && { resource }) }
}

/** `shapeless` are the paths that were left out of the spec: errors that follow from that are not told. */
function checkSense(resource: Resource, all: Findings, bounds: Bounds, shapeless: ReadonlySet<string>): void {
  const { metadata } = resource
  const findings = shapeless.size ? new Findings() : all
  try {
    if (resource.kind === 'Gateway') checkGateway(resource.spec, metadata, findings)
    if (resource.kind === 'VirtualService') checkVirtualService(resource.spec, findings, bounds)
    if (resource.kind === 'DestinationRule') checkDestinationRule(resource.spec, metadata, findings)
    if (resource.kind === 'ServiceEntry') checkServiceEntry(resource.spec, metadata, findings, bounds.egress)
    if (resource.kind === 'RateLimit') checkRateLimit(resource.spec, findings, bounds)
  } catch (error) {
    // A required part is missing, which was said already.
    if (!all.failed) throw error
  }
  if (findings === all) return
  const follows = (path: string): boolean => [...shapeless].some((wrong) => isWithin(path, wrong) || isWithin(wrong, path))
  all.list.push(...findings.list.filter(({ severity, path }) => severity === 'error' && !follows(path)))
}

/** What is left of a value at `path` without what stands at the paths that are left out; of a list all items, or nothing. */
function without(value: unknown, path: string, left: ReadonlySet<string>): unknown {
  if (left.has(path)) return undefined
  if (Array.isArray(value)) {
    const items = value.map((item, position) => without(item, within(path, position), left))
    return items.includes(undefined) ? undefined : items
  }
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, inner]) => {
      const kept = without(inner, within(path, name), left)
      return kept === undefined ? [] : [[name, kept]]
    }),
  )
}

function readKind(document: Record<string, unknown>, findings: Findings): ResourceKind | undefined {
  const { apiVersion, kind } = document as { apiVersion?: unknown; kind?: unknown }
  if (typeof kind !== 'string') {
    findings.error('kind', `is required: one of ${resourceKinds.join(', ')}`)
    return undefined
  }
  if (Object.hasOwn(refusedKinds, kind)) {
    findings.error('kind', `${kind} is not accepted: ${refusedKinds[kind]}`, codes.kindRefused)
    return undefined
  }
  if (!Object.hasOwn(kindInfo, kind)) {
    const meant = nearest(kind, resourceKinds)
    findings.error(
      'kind',
      `${JSON.stringify(kind)} is none of ${resourceKinds.join(', ')}${meant ? `; did you mean ${meant}?` : ''}`,
      codes.kind,
    )
    return undefined
  }
  const { apiVersions } = kindInfo[kind as ResourceKind]
  if (typeof apiVersion !== 'string') findings.error('apiVersion', `is required: ${apiVersions[0]}`)
  else if (!apiVersions.includes(apiVersion)) {
    if (apiVersions.includes(apiVersion.toLowerCase()))
      findings.warn('apiVersion', `is read as ${apiVersion.toLowerCase()}: the group is written in small letters`, codes.spelling)
    else findings.error('apiVersion', `${JSON.stringify(apiVersion)} is none of ${apiVersions.join(', ')}`, codes.kind)
  }
  return kind as ResourceKind
}

const metadataFields = ['name', 'namespace', 'labels', 'annotations']
/** What a resource that was read from here or from Kubernetes has besides; it is not kept. */
const serverFields = ['generation', 'createdAt', 'resourceVersion', 'uid', 'creationTimestamp', 'managedFields', 'selfLink']

function readMetadata(given: unknown, namespace: string, findings: Findings): Draft['metadata'] | undefined {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    findings.error('metadata', 'is required, with a name')
    return undefined
  }
  const metadata = given as Record<string, unknown>
  for (const name of Object.keys(metadata)) {
    if (metadataFields.includes(name) || serverFields.includes(name)) continue
    const meant = nearest(name, metadataFields)
    findings.error(within('metadata', name), `there is no such field${meant ? `; did you mean ${meant}?` : ''}`, codes.unknown)
  }
  const { name, namespace: own = namespace } = metadata
  if (name === undefined || name === null) findings.error('metadata.name', 'is required')
  else if (typeof name !== 'string')
    findings.error(
      'metadata.name',
      `must be a string${typeof name === 'number' || typeof name === 'boolean' ? `; write "${name}"` : ''}`,
      codes.type,
    )
  else findings.fault('metadata.name', nameFault(name))
  if (typeof own !== 'string' || !own) findings.error('metadata.namespace', 'must be the name or guid of a space', codes.type)
  const [labels, annotations] = (['labels', 'annotations'] as const).map((field) =>
    readStrings(metadata[field], `metadata.${field}`, findings),
  )
  for (const [key, value] of Object.entries(labels!)) findings.fault(within('metadata.labels', key), labelPairFault(key, value))
  return typeof name === 'string' && typeof own === 'string'
    ? { name, namespace: own, labels: labels!, annotations: annotations! }
    : undefined
}

function readStrings(given: unknown, path: string, findings: Findings): Record<string, string> {
  if (given === undefined) return {}
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    findings.error(path, 'must be an object of strings', codes.type)
    return {}
  }
  for (const [name, value] of Object.entries(given))
    if (typeof value !== 'string') findings.error(within(path, name), `must be a string; write "${String(value)}"`, codes.type)
  return given as Record<string, string>
}

/** A selector's `Istio:` is what `istio:` is meant to be. */
function normalize(kind: ResourceKind, spec: unknown, findings: Findings): unknown {
  const { selector } = spec as { selector?: Record<string, unknown> }
  if (kind !== 'Gateway' || typeof selector !== 'object' || !Object.hasOwn(selector, 'Istio')) return spec
  findings.warn('spec.selector.Istio', 'is read as istio: labels are written in small letters here', codes.spelling)
  const { Istio, ...others } = selector
  return { ...(spec as object), selector: { ...others, istio: Istio } }
}

function distinct(list: Finding[]): Finding[] {
  const seen = new Set<string>()
  return list.filter(({ path, message }) => !seen.has(`${path} ${message}`) && seen.add(`${path} ${message}`))
}
