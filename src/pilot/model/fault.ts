import { messageOf } from '../../common/problem.ts'
import { routeFault } from '../../mesh/matching.ts'
import { Findings, sentence } from '../../mesh/istio/finding.ts'
import { kindInfo } from '../../mesh/istio/kinds.ts'
import { checkStructure } from '../../mesh/istio/structure.ts'
import type { Resource } from '../../mesh/istio/types.ts'
import { resourceKey, routeKey, type Change, type Kind } from '../../mesh/records.ts'

/** A record that cannot be served, and why; what was last good of it stays in force. */
export interface Fault {
  kind: Kind
  key: string
  reason: string
}

/** What copilot accepted has passed all checks; from a newer copilot, or a store gone bad, may come what this pilot cannot read. */
function resourceFault(key: string, resource: Resource): string | undefined {
  if (resourceKey(resource) !== key) return `key: must be ${resourceKey(resource)}`
  if (!Object.hasOwn(kindInfo, resource.kind)) return `kind: ${resource.kind} is not known to this pilot`
  const findings = new Findings()
  checkStructure(resource.kind, resource.spec, findings)
  const error = findings.list.find(({ severity }) => severity === 'error')
  return error && sentence(error)
}

/** Why a record cannot be served, or undefined where it can. copilot has checked its shape; what would still break others is found here. */
export function recordFault(change: Change): string | undefined {
  try {
    if (change.value === null) return undefined
    if (change.kind === 'resource') return resourceFault(change.key, change.value)
    if (change.kind === 'instance') return Array.isArray(change.value.ports) ? undefined : 'ports: must be a list'
    if (change.kind !== 'route') return undefined
    const { key, value: route } = change
    if (routeKey(route) !== key) return `key: must be ${routeKey(route)}`
    if (!route.destinations.every(({ processes }) => Array.isArray(processes))) return 'destinations: each must name its processes'
    return routeFault(route)
  } catch (error) {
    return messageOf(error)
  }
}
