import { headerOf } from '../istio/limits.ts'
import type { Limit } from '../istio/types.ts'
import type { Route } from '../records.ts'
import { gateOf } from './gate.ts'
import { rateLimitsOf } from './rate-limits.ts'
import type { Source } from './source.ts'
import { missOf, portsOf, type TracedRequest } from './trace.ts'

/** What holds for a request before any rule: RateLimits, and Gateways that want TLS. */
export interface HostTrace {
  limits: TracedLimit[]
  /** Why the router sends the request on to the same address with TLS. */
  redirect?: string
}

/** Whether one limit of a RateLimit counts the request. */
export interface TracedLimit {
  /** `NAMESPACE/NAME limits[POSITION]`. */
  limit: string
  /** Key of the RateLimit. */
  resource: string
  counts: boolean
  /** How much it allows, or why it does not count. */
  why: string
}

/** Says which limits count a request for a route, and whether it is redirected to HTTPS. */
export function traceHost(view: Source, route: Route, request: TracedRequest): HostTrace {
  const redirect = httpsRedirect(view, route, request)
  const limits = rateLimitsOf(view, route).flatMap(({ metadata: { namespace, name }, spec: { match = [], limits, global = false } }) => {
    const misses = match.map((one) => missOf({ match: one, binding: 'all' }, request))
    const counted = !match.length || misses.includes(undefined)
    return limits.map((limit, position): TracedLimit => {
      const unkeyed = headerOf(limit)
      const why = !counted
        ? misses.map((miss, at) => `${match[at]!.name ?? `match ${at + 1}`}: ${miss}`).join('; ')
        : lacks(request, unkeyed)
          ? `header ${unkeyed} is not there`
          : undefined
      return {
        limit: `${namespace}/${name} limits[${position}]`,
        resource: `ratelimit/${namespace}/${name}`,
        counts: why === undefined,
        why: why ?? `it allows ${allowance(limit, global)}`,
      }
    })
  })
  return { limits, ...(redirect === undefined ? {} : { redirect }) }
}

function httpsRedirect(view: Source, route: Route, request: TracedRequest): string | undefined {
  if (request.scheme !== 'http') return undefined
  const ports = portsOf(request)
  const arrival = gateOf(view, route)?.redirect.find(({ port }) => ports.includes(port))
  return arrival && `a Gateway sends requests on port ${arrival.port} to the same address with https (httpsRedirect)`
}

const lacks = ({ headers }: TracedRequest, name: string | undefined): boolean =>
  name !== undefined && !headers.some(([given, value]) => given.toLowerCase() === name.toLowerCase() && value !== '')

function allowance({ per, requests, unit, burst }: Limit, global: boolean): string {
  const whose = per === 'client-ip' ? ' for each client' : per === 'route' ? '' : ` for each ${headerOf({ per })}`
  return `${requests} a ${unit}${whose}${burst === undefined ? '' : `, ${burst} at once`}, ${global ? 'by all routers together' : 'by each router'}`
}
