import { checkHeaders, isHeaderName } from './check-headers.ts'
import { checkHttpMatch, checkRegex, checkString, type Limits } from './check-match.ts'
import { codes, type Findings } from './finding.ts'
import { hasControls } from './header-values.ts'
import type { Destination, HttpRoute } from './types.ts'
import { durationFault, fineFault, labelFault, milliseconds, percentFault, portFault, replacementFault, wildcardFault } from './values.ts'

export interface RouteContext {
  findings: Findings
  limits: Limits
  /** Whether the VirtualService is a delegate: it has no hosts of its own. */
  delegate: boolean
  callersKnown: boolean
}

/** Checks one HTTP rule as istiod does. */
export function checkHttpRoute(route: HttpRoute, path: string, context: RouteContext): void {
  const { findings, limits, callersKnown } = context
  checkAction(route, path, context)
  route.match?.forEach((match, position) => checkHttpMatch(match, `${path}.match[${position}]`, findings, limits, callersKnown))
  checkHeaders(route.headers, `${path}.headers`, findings, limits)
  checkCors(route, `${path}.corsPolicy`, context)
  checkFault(route, `${path}.fault`, findings)
  checkMirrors(route, path, findings)
  checkRedirect(route, `${path}.redirect`, findings)
  checkDirectResponse(route, `${path}.directResponse`, findings)
  checkRetries(route, `${path}.retries`, findings)
  checkRewrite(route, path, context)
  checkDestinations(route.route ?? [], `${path}.route`, findings)
  route.route?.forEach(({ headers }, position) => checkHeaders(headers, `${path}.route[${position}].headers`, findings, limits))
  if (route.timeout !== undefined) findings.fault(`${path}.timeout`, durationFault(route.timeout, { zero: true }))
}

function checkAction(route: HttpRoute, path: string, { findings, delegate }: RouteContext): void {
  if (route.delegate) {
    for (const field of ['route', 'redirect', 'directResponse'] as const)
      if (route[field] !== undefined) findings.error(`${path}.${field}`, 'stands beside delegate, which decides alone; leave it out')
    if (delegate) findings.error(`${path}.delegate`, 'a VirtualService without hosts is a delegate already and cannot delegate further')
    if (!route.delegate.name) findings.error(`${path}.delegate.name`, 'is required')
    return
  }
  const main = route.redirect ? 'redirect' : route.directResponse ? 'directResponse' : undefined
  if (!main) {
    if (!route.route?.length) findings.error(path, 'needs a route, redirect, directResponse or delegate')
    return
  }
  for (const field of ['route', 'fault', 'rewrite', 'directResponse'] as const) {
    const there = field === 'route' ? route.route?.length : route[field] !== undefined
    if (there && field !== main) findings.error(`${path}.${field}`, `stands beside ${main}, which answers by itself; leave one of them out`)
  }
}

/** Where something is sent: its host's form, subset and port. */
function checkDestination(destination: Destination | undefined, path: string, findings: Findings): void {
  if (!destination) return
  const { host, subset, port } = destination
  if (host !== undefined)
    findings.fault(`${path}.host`, host.startsWith('*') ? `${host} is no single service; write the name of one` : wildcardFault(host))
  if (subset !== undefined) findings.fault(`${path}.subset`, labelFault(subset))
  if (port) findings.fault(`${path}.port.number`, portFault(port.number ?? 0))
}

/** Weighted destinations of an HTTP, TLS or TCP rule. */
export function checkDestinations(destinations: { destination?: Destination; weight?: number }[], path: string, findings: Findings): void {
  let total = 0
  destinations.forEach(({ destination, weight = 0 }, position) => {
    checkDestination(destination, `${path}[${position}].destination`, findings)
    if (weight < 0) findings.error(`${path}[${position}].weight`, `${weight} is below 0; write a share, as 90 beside 10`)
    total += weight
  })
  if (total > 4_294_967_295) findings.error(path, 'the sum of the weights is above 4294967295; write smaller ones')
  if (destinations.length > 1 && total === 0) findings.error(path, `${destinations.length} destinations need weights, as 90 and 10`)
  else if (destinations.length > 1 && total !== 100 && destinations.some(({ weight }) => weight === undefined))
    findings.warn(path, 'a destination without weight gets no request')
}

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'CONNECT', 'TRACE', '*']

function checkCors({ corsPolicy: policy }: HttpRoute, path: string, { findings, limits }: RouteContext): void {
  if (!policy) return
  policy.allowOrigins?.forEach((origin, position) => {
    const at = `${path}.allowOrigins[${position}]`
    if (!(origin.exact || origin.prefix || origin.regex)) findings.error(at, 'needs one of exact, prefix, regex')
    else checkString(origin, at, findings, limits)
  })
  if (policy.allowOrigin) findings.warn(`${path}.allowOrigin`, 'is the old form; write allowOrigins: [{exact: …}]', codes.deprecated)
  policy.allowMethods?.forEach((method, position) => {
    if (!methods.includes(method))
      findings.error(`${path}.allowMethods[${position}]`, `${JSON.stringify(method)} is none of ${methods.join(', ')}`)
  })
  for (const list of ['allowHeaders', 'exposeHeaders'] as const) {
    policy[list]?.forEach((name, position) => {
      if (name !== '*' && !isHeaderName(name))
        findings.error(`${path}.${list}[${position}]`, `${JSON.stringify(name)} is no name of a header`)
    })
  }
  if (policy.maxAge === undefined) return
  const fault = durationFault(policy.maxAge)
  findings.fault(
    `${path}.maxAge`,
    fault ?? (milliseconds(policy.maxAge)! % 1000 ? `${policy.maxAge} is finer than a second; write whole seconds` : undefined),
  )
}

/** The codes of gRPC (grpc.io/docs/guides/status-codes). */
const grpcCodes =
  'OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED'.split(
    ' ',
  )

const statusFault = (status: number): string | undefined =>
  status >= 200 && status <= 599 ? undefined : `${status} is no status to answer with; write one of 200 to 599`

function checkFault({ fault }: HttpRoute, path: string, findings: Findings): void {
  if (!fault) return
  const { abort, delay } = fault
  if (!abort && !delay) findings.error(path, 'needs an abort or a delay')
  for (const [name, part] of [
    ['abort', abort],
    ['delay', delay],
  ] as const) {
    if (part?.percentage) findings.fault(`${path}.${name}.percentage.value`, fineFault(part.percentage.value ?? 0))
  }
  if (abort) {
    if (abort.httpStatus !== undefined) findings.fault(`${path}.abort.httpStatus`, statusFault(abort.httpStatus))
    if (abort.grpcStatus !== undefined && !grpcCodes.includes(abort.grpcStatus))
      findings.error(`${path}.abort.grpcStatus`, `${JSON.stringify(abort.grpcStatus)} is none of ${grpcCodes.join(', ')}`)
    if (abort.httpStatus === undefined && abort.grpcStatus === undefined && abort.http2Error === undefined)
      findings.warn(`${path}.abort`, 'has no effect without httpStatus or grpcStatus', codes.ignored)
  }
  if (delay) {
    if (delay.fixedDelay !== undefined) findings.fault(`${path}.delay.fixedDelay`, durationFault(delay.fixedDelay))
    else if (delay.exponentialDelay === undefined) findings.error(`${path}.delay.fixedDelay`, 'is required')
    if (delay.percent !== undefined) {
      findings.warn(`${path}.delay.percent`, 'is the old form; write percentage: {value: …}', codes.deprecated)
      findings.fault(`${path}.delay.percent`, percentFault(delay.percent))
    }
  }
}

function checkMirrors(route: HttpRoute, path: string, findings: Findings): void {
  if (route.mirror && route.mirrors?.length) findings.error(`${path}.mirrors`, 'only one of mirror and mirrors can be given')
  checkDestination(route.mirror, `${path}.mirror`, findings)
  for (const name of ['mirrorPercent', 'mirror_percent'] as const) {
    const value = route[name]
    if (value === undefined) continue
    findings.warn(`${path}.${name}`, 'is the old form; write mirrorPercentage: {value: …}', codes.deprecated)
    findings.fault(`${path}.${name}`, percentFault(value))
  }
  if (route.mirrorPercentage) findings.fault(`${path}.mirrorPercentage.value`, percentFault(route.mirrorPercentage.value ?? 0))
  route.mirrors?.forEach(({ destination, percentage }, position) => {
    checkDestination(destination, `${path}.mirrors[${position}].destination`, findings)
    if (percentage) findings.fault(`${path}.mirrors[${position}].percentage.value`, percentFault(percentage.value ?? 0))
  })
}

function checkRedirect({ redirect }: HttpRoute, path: string, findings: Findings): void {
  if (!redirect) return
  const { uri, authority, port, derivePort, scheme, redirectCode = 301 } = redirect
  if (!uri && !authority && port === undefined && derivePort === undefined && !scheme)
    findings.error(path, 'needs at least one of uri, authority, scheme, port')
  if (![301, 302, 303, 307, 308].includes(redirectCode))
    findings.error(`${path}.redirectCode`, `${redirectCode} is no redirect that routers give; write 301, 302, 303, 307 or 308`)
  if (scheme && scheme !== 'http' && scheme !== 'https')
    findings.error(`${path}.scheme`, `${JSON.stringify(scheme)} is neither http nor https`)
  if (port) findings.fault(`${path}.port`, portFault(port))
  checkText({ uri, authority }, path, findings)
}

/** What stands in a header or in a path. */
function checkText(texts: Record<string, string | undefined>, path: string, findings: Findings): void {
  for (const [name, text] of Object.entries(texts))
    if (text && hasControls(text)) findings.error(`${path}.${name}`, 'has a control character')
}

function checkDirectResponse({ directResponse }: HttpRoute, path: string, findings: Findings): void {
  if (!directResponse) return
  findings.fault(`${path}.status`, statusFault(directResponse.status))
  const { string, bytes } = directResponse.body ?? {}
  if (bytes !== undefined && Buffer.from(bytes, 'base64').toString('base64') !== bytes) findings.error(`${path}.body.bytes`, 'is no base64')
  const size = string === undefined ? Buffer.byteLength(bytes ?? '', 'base64') : Buffer.byteLength(string)
  if (size > 1_048_576) findings.error(`${path}.body`, `has ${size} bytes; at most 1 MiB is sent`, codes.tooLarge)
  else if (size > 102_400) findings.warn(`${path}.body`, `has ${size} bytes, which every router keeps in memory`)
}

/** What Envoy, for HTTP and gRPC, and Istio know as reasons to try again. */
const retryNames = (
  '5xx gateway-error reset reset-before-request connect-failure retriable-4xx refused-stream retriable-status-codes retriable-headers envoy-ratelimited ' +
  'http3-post-connect-failure cancelled deadline-exceeded internal resource-exhausted unavailable'
).split(' ')

function checkRetries({ retries, timeout }: HttpRoute, path: string, findings: Findings): void {
  if (!retries) return
  const { attempts = 0, perTryTimeout, retryOn, retryRemoteLocalities, backoff } = retries
  if (attempts < 0) findings.error(`${path}.attempts`, `${attempts} is below 0; write 0 to switch retries off`)
  if (attempts === 0 && (perTryTimeout !== undefined || retryOn || retryRemoteLocalities !== undefined))
    findings.error(`${path}.attempts`, 'is 0, which switches retries off; write how often to try again, or leave the other fields out')
  if (perTryTimeout !== undefined) {
    findings.fault(`${path}.perTryTimeout`, durationFault(perTryTimeout))
    const [one = 0, whole = 0] = [milliseconds(perTryTimeout), timeout && milliseconds(timeout)].map((value) => Number(value ?? 0))
    if (whole && one > whole) findings.warn(`${path}.perTryTimeout`, `is longer than the timeout of the whole request, ${timeout}`)
  }
  if (backoff !== undefined) findings.fault(`${path}.backoff`, durationFault(backoff))
  for (const name of retryOn ? retryOn.split(',') : []) {
    const status = Number(name)
    if (retryNames.includes(name) || (/^\d{3}$/.test(name) && status >= 100 && status <= 599)) continue
    const trimmed = name.trim()
    findings.error(
      `${path}.retryOn`,
      retryNames.includes(trimmed)
        ? `${JSON.stringify(name)}: write the names without spaces between`
        : `${JSON.stringify(name)} is no reason to retry; there are ${retryNames.join(', ')} and statuses as 503`,
    )
  }
}

function checkRewrite({ rewrite, headers, match }: HttpRoute, path: string, { findings, limits }: RouteContext): void {
  const authorities = [
    rewrite?.authority,
    ...['set', 'add'].flatMap((verb) =>
      Object.entries(headers?.request?.[verb as 'set'] ?? {})
        .filter(([name]) => /^(:authority|host)$/i.test(name))
        .map(([, value]) => value),
    ),
  ]
  if (authorities.filter(Boolean).length > 1)
    findings.error(`${path}.rewrite.authority`, 'the host is rewritten twice; leave one of rewrite.authority and the header host out')
  if (!rewrite) return
  const { uri, uriRegexRewrite, authority } = rewrite
  if (uri && uriRegexRewrite) findings.error(`${path}.rewrite`, 'only one of uri and uriRegexRewrite can be given')
  if (!uri && !uriRegexRewrite && !authority) findings.error(`${path}.rewrite`, 'needs uri, uriRegexRewrite or authority')
  checkText({ uri, authority }, `${path}.rewrite`, findings)
  if (uri && match?.some((one) => one.uri?.regex))
    findings.warn(`${path}.rewrite.uri`, 'replaces the whole path where the match is a regex')
  if (!uriRegexRewrite) return
  const at = `${path}.rewrite.uriRegexRewrite`
  const { match: regex, rewrite: replacement } = uriRegexRewrite
  if (!regex || !replacement) return findings.error(at, 'needs match and rewrite')
  checkText({ rewrite: replacement }, at, findings)
  if (checkRegex(regex, `${at}.match`, findings, limits.regexLength)) findings.fault(`${at}.rewrite`, replacementFault(replacement, regex))
}
