import { normalizeHost } from '../../mesh/host.ts'
import { checkDocument, type Draft } from '../../mesh/istio/check.ts'
import { codes, type Finding } from '../../mesh/istio/finding.ts'
import { systemNamespace } from '../../mesh/istio/kinds.ts'
import { resourceKey } from '../../mesh/records.ts'
import { canonical } from '../records.ts'
import type { ResourceChange, Store } from '../store/store.ts'
import { resolveScope } from '../views/names.ts'
import { ResourcesRefused } from './findings.ts'

export interface Accepted {
  change: ResourceChange
  warnings: Finding[]
}

/** Checks documents, resolves their namespaces to guids, and refuses hosts of other spaces. Throws `ResourcesRefused` with every error of all of them. */
export async function accept(store: Store, documents: unknown[], namespace: string): Promise<Accepted[]> {
  const checked = documents.map((document) => checkDocument(document, namespace))
  for (const one of checked) if (one.resource) one.findings.push(...(await place(store, one.resource)))
  const refused = checked.map(({ findings }, document) => ({ document, findings })).filter(({ findings }) => findings.some(({ severity }) => severity === 'error'))
  if (refused.length) throw new ResourcesRefused(refused)
  return checked.map(({ resource, findings }, document) => ({
    change: { key: resourceKey(resource!), namespace: resource!.metadata.namespace, value: canonical(resource), ...expectation(documents[document]) },
    warnings: findings,
  }))
}

/** Puts a resource into its namespace, by guid, and tells which of its hosts are another space's. */
async function place(store: Store, resource: Draft): Promise<Finding[]> {
  const { metadata } = resource
  if (metadata.namespace !== systemNamespace) {
    const { space = [] } = await resolveScope(store, { space: metadata.namespace })
    if (space.length !== 1) return [error('metadata.namespace', `${metadata.namespace} names ${space.length} spaces; write the guid of one: ${space.join(', ')}`, codes.invalid)]
    metadata.namespace = space[0]!
  }
  if (metadata.namespace === systemNamespace || (resource.kind !== 'VirtualService' && resource.kind !== 'RateLimit')) return []
  const findings: Finding[] = []
  for (const [position, host] of (resource.spec.hosts ?? []).entries()) {
    const routes = (await store.list('route', { host: normalizeHost(host) })).map(({ value }) => value)
    if (routes.length && !routes.some(({ space }) => space === metadata.namespace)) {
      findings.push(error(`spec.hosts[${position}]`, `${host} is a route of another space; a resource shapes only routes of its own`, codes.notOwned))
    }
  }
  return findings
}

const error = (path: string, message: string, code: Finding['code']): Finding => ({ severity: 'error', code, path, message })

/** Who sends back the version that was read wants to change that one and no other. */
function expectation(document: unknown): { expected?: number } {
  const version = (document as { metadata?: { resourceVersion?: unknown } }).metadata?.resourceVersion
  return version === undefined ? {} : { expected: Number(version) }
}
