import type { Limits } from './check-match.ts'
import { codes, within, type Findings } from './finding.ts'
import { headerValueFault } from './header-values.ts'

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** What the routers themselves tell apps, callers and each other. */
const internal = /^(x-cf-|x-vcap-|x-envoy-|x-mesh-)/i

/** What tells where a message ends. With another value, what is left of it is taken for the next one. */
const framing = /^(content-length|transfer-encoding)$/i

export const isHeaderName = (name: string): boolean => token.test(name)

interface Operations {
  add?: Record<string, string>
  set?: Record<string, string>
  remove?: string[]
}

/** Checks what a rule does to headers. */
export function checkHeaders(
  headers: { request?: Operations; response?: Operations } | undefined,
  path: string,
  findings: Findings,
  { headerBytes }: Limits,
): void {
  let bytes = 0
  for (const side of ['request', 'response'] as const) {
    const operations = headers?.[side]
    for (const verb of ['add', 'set'] as const) {
      for (const [name, value] of Object.entries(operations?.[verb] ?? {})) {
        const at = within(within(within(path, side), verb), name)
        checkName(name, at, findings, side === 'request')
        if (framing.test(name))
          findings.error(at, `${name} says where a message ends, which the routers alone know; leave it out`, codes.refused)
        findings.fault(at, headerValueFault(value))
        bytes += Buffer.byteLength(name) + Buffer.byteLength(value)
      }
    }
    operations?.remove?.forEach((name, position) =>
      checkName(name, within(within(within(path, side), 'remove'), position), findings, false),
    )
  }
  if (bytes > headerBytes) findings.error(path, `adds or sets ${bytes} bytes of headers; ${headerBytes} are the most`, codes.tooLarge)
}

function checkName(name: string, path: string, findings: Findings, authority: boolean): void {
  if (authority && /^(:authority|host)$/i.test(name)) return
  if (/^host$/i.test(name) || name.startsWith(':'))
    return findings.error(path, `${name} is no header that can be changed here; to send another host, write rewrite.authority`)
  if (!isHeaderName(name)) return findings.error(path, `${JSON.stringify(name)} is no name of a header`)
  if (internal.test(name))
    findings.error(path, `${name} belongs to the platform: X-CF-*, X-Vcap-*, x-envoy-* and x-mesh-* cannot be changed`, codes.refused)
}

/** A header that a match looks at. */
export function matchHeaderFault(name: string): string | undefined {
  if (name.startsWith('@request.auth.claims')) return 'claims of tokens come with the security work; match a header'
  if ([':method', ':scheme', ':authority', ':path'].includes(name)) return undefined
  return isHeaderName(name) ? undefined : `${JSON.stringify(name)} is no name of a header`
}
