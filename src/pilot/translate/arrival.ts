import { HeaderValueOption_HeaderAppendAction as Append } from '../../common/proto/gen/envoy/config/core/v3/base_pb.js'
import type { Arrival } from '../../mesh/rules/gateways.ts'
import type { Feature, HeaderMutationInit } from './feature.ts'
import { headerMatcher, literal } from './rules/strings.ts'

/** How a request came, for routes to choose by; apps don't see it, and clients cannot send it. */
export const arrivalHeader = 'x-mesh-arrival'
/** The server of a Gateway that it came by, where that has TLS of its own. */
export const gatewayHeader = 'x-mesh-gateway'

const set = (key: string, value: string): HeaderMutationInit => ({
  action: { case: 'append', value: { header: { key, value }, appendAction: Append.OVERWRITE_IF_EXISTS_OR_ADD } },
})

const pairs = (labels: Record<string, string>): string[] =>
  Object.keys(labels)
    .sort()
    .map((label) => `${label}=${labels[label]};`)

/** Notes on each request the port of Istio's and the router's labels (`443;istio=ingressgateway;`), and the Gateway's server. */
export const arrival: Feature = {
  early: ({ node, port, gateway }) => {
    return [set(arrivalHeader, `${port};${pairs(node.labels).join('')}`), ...(gateway === undefined ? [] : [set(gatewayHeader, gateway)])]
  },
}

/** Matches requests that came by one of `arrivals`. */
export function arrivedAt(arrivals: Arrival[]) {
  const bySelector = Map.groupBy(arrivals, ({ selector }) =>
    pairs(selector)
      .map((pair) => `(.*;)?${literal(pair)}`)
      .join(''),
  )
  const patterns = [...bySelector].map(([labels, those]) => `(${[...new Set(those.map(({ port }) => port))].join('|')});${labels}.*`)
  return headerMatcher(arrivalHeader, { regex: patterns.join('|') })
}

/** Whether a router is one of those that a selector means. */
export const selects = (selector: Record<string, string>, labels: Record<string, string>): boolean =>
  Object.entries(selector).every(([label, value]) => labels[label] === value)
