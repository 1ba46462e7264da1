import { messageOf } from '../../common/problem.ts'
import { routeFault } from '../../mesh/matching.ts'
import { routeKey, type Change, type Kind } from '../../mesh/records.ts'

/** A record that cannot be served, and why; what was last good of it stays in force. */
export interface Fault {
  kind: Kind
  key: string
  reason: string
}

/** Why a record cannot be served, or undefined where it can. copilot has checked its shape; what would still break others is found here. */
export function recordFault(change: Change): string | undefined {
  try {
    if (change.value === null) return undefined
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
