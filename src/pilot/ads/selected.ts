import type { GatewaySpec } from '../../mesh/istio/types.ts'
import { selectorOf } from '../../mesh/rules/gateways.ts'
import { selects } from '../translate/arrival.ts'

/** Why no router serves a Gateway, by the labels of those that are connected; undefined where one does, or none is here. */
export function unselected(spec: GatewaySpec, routers: Record<string, string>[]): string | undefined {
  const selector = selectorOf(spec)
  if (!routers.length || routers.some((labels) => selects(selector, labels))) return undefined
  const there = [...new Set(routers.map(written))].join(' or ')
  return `spec.selector: no router has the labels ${written(selector)}, so that none serves it; they have ${there || 'none'}`
}

const written = (labels: Record<string, string>): string =>
  Object.entries(labels)
    .map(([label, value]) => `${label}=${value}`)
    .join(' ')
