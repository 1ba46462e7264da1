import { isHeaderName } from './check-headers.ts'
import { checkHttpMatch, type Limits } from './check-match.ts'
import type { Findings } from './finding.ts'
import { headerOf } from './limits.ts'
import type { RateLimitSpec } from './types.ts'
import { wildcardFault } from './values.ts'

/** Checks a RateLimit. */
export function checkRateLimit(
  { hosts = [], match = [], limits = [], global = false }: RateLimitSpec,
  findings: Findings,
  bounds: Limits,
): void {
  if (!hosts.length) findings.error('spec.hosts', 'needs at least one host')
  hosts.forEach((host, position) =>
    findings.fault(`spec.hosts[${position}]`, host === '*' ? '* is every host; name hosts' : wildcardFault(host)),
  )
  match.forEach((one, position) => checkHttpMatch(one, `spec.match[${position}]`, findings, bounds, true))
  if (!limits.length) findings.error('spec.limits', 'needs at least one limit')
  limits.forEach(({ per = '', requests, burst }, position) => {
    const path = `spec.limits[${position}]`
    const header = headerOf({ per })
    if (per !== 'client-ip' && per !== 'route' && !(header && isHeaderName(header)))
      findings.error(`${path}.per`, `${JSON.stringify(per)} is none of client-ip, header:NAME, route`)
    if (!Number.isInteger(requests) || requests < 1 || requests > 4_294_967_295)
      findings.error(`${path}.requests`, `${requests} is no number of requests; write 1 or more`)
    if (burst !== undefined && global)
      findings.error(`${path}.burst`, 'a service that counts for all routers counts whole units; leave it out')
    else if (burst !== undefined && (!Number.isInteger(burst) || burst < 1 || burst > 4_294_967_295))
      findings.error(`${path}.burst`, `${burst} is no number of requests; write 1 or more`)
  })
}
