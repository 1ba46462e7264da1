import { matchHeaderFault } from './check-headers.ts'
import { checkGatewayName } from './check-gateway.ts'
import { codes, within, type Findings } from './finding.ts'
import type { HttpMatch, StringMatch } from './types.ts'
import { isLabel, labelPairFault, portFault, regexFault, stepsOf } from './values.ts'

export interface Limits {
  /** Longest regular expression, characters. */
  regexLength: number
  /** Most that one rule may add or set of headers, names and values together, bytes. */
  headerBytes: number
}

/** Checks one condition of a request. `callersKnown`: whether it stands where callers can be known by their certificate. */
export function checkHttpMatch(match: HttpMatch, path: string, findings: Findings, limits: Limits, callersKnown: boolean): void {
  const { headers = {}, withoutHeaders = {}, queryParams = {}, port, gateways = [] } = match
  checkString(match.uri, within(path, 'uri'), findings, limits, { emptyPrefix: true })
  if (match.uri?.prefix && !match.uri.prefix.startsWith('/'))
    findings.error(within(path, 'uri.prefix'), `${JSON.stringify(match.uri.prefix)} matches nothing: a path begins with /`)
  if (match.uri?.exact && !match.uri.exact.startsWith('/') && match.uri.exact !== '*')
    findings.error(within(path, 'uri.exact'), `${JSON.stringify(match.uri.exact)} matches nothing: a path begins with /`)
  for (const name of ['scheme', 'method', 'authority'] as const) checkString(match[name], within(path, name), findings, limits)
  for (const [table, conditions] of [
    ['headers', headers],
    ['withoutHeaders', withoutHeaders],
  ] as const) {
    for (const [name, condition] of Object.entries(conditions)) {
      const at = within(within(path, table), name)
      findings.fault(at, matchHeaderFault(name))
      // Istio reads the regular expression * as "is there".
      if (!(table === 'withoutHeaders' && condition.regex === '*')) checkString(condition, at, findings, limits)
    }
  }
  for (const [name, condition] of Object.entries(queryParams)) {
    const at = within(within(path, 'queryParams'), name)
    if (!name) findings.error(at, 'has no name; write that of a parameter')
    checkString(condition, at, findings, limits)
  }
  if (match.ignoreUriCase && match.uri?.regex)
    findings.warn(within(path, 'ignoreUriCase'), 'has no effect on a regex; write (?i) at its beginning', codes.ignored)
  if (port) findings.fault(within(path, 'port'), portFault(port))
  gateways.forEach((name, position) => checkGatewayName(name, within(within(path, 'gateways'), position), findings))
  checkCallers(match, path, findings, callersKnown)
}

/** Conditions on who calls. */
function checkCallers(
  match: { sourceLabels?: Record<string, string>; sourceNamespace?: string },
  path: string,
  findings: Findings,
  known: boolean,
): void {
  const { sourceLabels, sourceNamespace } = match
  for (const [name, value] of Object.entries(sourceLabels ?? {}))
    findings.fault(within(within(path, 'sourceLabels'), name), labelPairFault(name, value))
  if (sourceNamespace !== undefined && !isLabel(sourceNamespace))
    findings.error(within(path, 'sourceNamespace'), `${JSON.stringify(sourceNamespace)} is no name of a space`)
  if (known) return
  for (const field of ['sourceLabels', 'sourceNamespace'] as const) {
    if (match[field] !== undefined) {
      findings.error(
        within(path, field),
        'is only for callers that are known by their certificate, on the internal listener: let the rule apply to mesh (leave gateways out), or leave this out',
        codes.refused,
      )
    }
  }
}

export function checkString(
  match: StringMatch | undefined,
  path: string,
  findings: Findings,
  { regexLength }: Limits,
  { emptyPrefix = false } = {},
): void {
  if (match === undefined) return
  if (match.prefix === '' && !emptyPrefix) findings.error(within(path, 'prefix'), 'is empty, so it matches everything; leave it out')
  if (match.regex !== undefined) checkRegex(match.regex, within(path, 'regex'), findings, regexLength)
}

/** Steps of the regular expressions of one resource together. */
const mostStepsTogether = 100_000

/** Checks a regular expression, and that those of the resource are not too much together. Answers whether it is good. */
export function checkRegex(regex: string, path: string, findings: Findings, length: number): boolean {
  const steps = stepsOf(regex)
  // One that is too much alone is not compiled.
  if (steps <= mostStepsTogether) findings.steps += steps
  if (findings.steps > mostStepsTogether) {
    findings.error(
      path,
      'is too much together with the regular expressions before it; write simpler ones, or several resources',
      codes.tooLarge,
    )
    return false
  }
  const fault = regexFault(regex, length)
  findings.fault(path, fault)
  return fault === undefined
}
