import { normalizeHost } from '../../mesh/host.ts'
import { operatorsEntry, reachNamed, shapesOutside, whyUnreached } from '../../mesh/istio/ownership.ts'
import type { DestinationRule, RateLimit, Resource, VirtualService } from '../../mesh/istio/types.ts'
import type { Source } from '../../mesh/rules/source.ts'
import { directoryOf } from '../../mesh/rules/directory.ts'
import { findService } from './services.ts'
import { systemNamespace } from '../../mesh/istio/kinds.ts'
import { mostBeneath } from '../../mesh/rules/hosts.ts'
import { delegateOf } from '../../mesh/rules/virtual-services.ts'

/** What of a resource reaches nothing, though it was accepted: hosts that nobody has any more, or that another space has now. */
export function unreachedBy(view: Source, resource: Resource): string[] {
  if (resource.kind === 'VirtualService') return [...shaping(view, resource), ...undelegated(view, resource)]
  if (resource.kind === 'RateLimit') return shaping(view, resource)
  return resource.kind === 'DestinationRule' ? unruled(view, resource) : []
}

function unruled(view: Source, { spec: { host }, metadata: { namespace } }: DestinationRule): string[] {
  if (isPattern(host)) return []
  if (reachNamed(host, namespace, directoryOf(view)).foreign !== undefined) return [`${host} is a route of another space now`]
  const service = findService(view, host, namespace)
  if (!service) return [`${host} is no host of a route, no app and no ServiceEntry`]
  if (service.space === namespace || namespace === systemNamespace) return []
  return [operatorsEntry(host)]
}

const shaping = (view: Source, { spec, metadata }: VirtualService | RateLimit): string[] =>
  (spec.hosts ?? []).flatMap((host) => shapingFault(view, host, metadata.namespace) ?? [])

function undelegated(view: Source, service: VirtualService): string[] {
  const missing = (service.spec.http ?? []).flatMap(({ delegate }) => (delegate && !delegateOf(view, service, delegate) ? [delegate] : []))
  return missing.map(
    ({ namespace, name }) => `there is no VirtualService ${namespace === undefined ? '' : `${namespace}/`}${name} to delegate to`,
  )
}

function shapingFault(view: Source, host: string, namespace: string): string | undefined {
  if (isPattern(host)) return crowd(view, normalizeHost(host), namespace)
  const { routes, foreign } = reachNamed(host, namespace, directoryOf(view))
  if (routes.length) return undefined
  if (foreign !== undefined) return `${host} is a route of another space now`
  const outside = shapesOutside(host, namespace, directoryOf(view))
  if (outside !== undefined) return outside ? undefined : operatorsEntry(host)
  return whyUnreached(host, namespace, directoryOf(view)) ?? `${host} is no host of a route, no app of this space and no ServiceEntry`
}

/** What a wildcard reaches comes and goes without the resource being at fault, but the operator's can be too many. */
function crowd(view: Source, wildcard: string, namespace: string): string | undefined {
  if (namespace !== systemNamespace || !view.exceeds(wildcard)) return undefined
  return `${wildcard} has more than ${mostBeneath} hosts beneath it, and shapes the first ${mostBeneath} by name alone; write narrower wildcards, or the hosts that are meant`
}

const isPattern = (host: string): boolean => host.startsWith('*')
