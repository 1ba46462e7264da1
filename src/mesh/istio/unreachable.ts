import { codes, type Findings } from './finding.ts'
import type { HttpMatch, HttpRoute, StringMatch, VirtualServiceSpec } from './types.ts'

/** Conditions of one list of rules up to which each is held against all before it. */
const mostCompared = 1000

/** Warns of rules and matches that no request reaches, because earlier ones take them all. */
export function unreachableRules({ http = [], tls = [], tcp = [] }: VirtualServiceSpec, findings: Findings): void {
  const same = (before: object, match: object): boolean => canonical(before) === canonical(match)
  checkRules(http, 'spec.http', findings, (before, match) => coversHttp(before, match))
  checkRules(tls, 'spec.tls', findings, same)
  checkRules(tcp, 'spec.tcp', findings, same)
}

function checkRules(rules: Rule[], list: string, findings: Findings, covers: Covers): void {
  const conditions = rules.reduce((sum, { match = [] }) => sum + 1 + match.length, 0)
  if (conditions > 2 * mostCompared)
    return findings.warn(list, `is too long to tell which of its rules others hide; that is done up to ${mostCompared} conditions`)
  for (const position of rules.keys()) checkRule(rules, position, list, findings, covers)
}

type Covers = (before: HttpMatch, match: HttpMatch) => boolean

interface Rule {
  name?: string
  match?: object[]
}

function checkRule(rules: Rule[], position: number, list: string, findings: Findings, covers: Covers): void {
  const path = `${list}[${position}]`
  const earlier = rules.slice(0, position)
  const open = earlier.findIndex(({ match }) => !match?.length)
  if (open >= 0)
    return findings.warn(
      path,
      `is never reached: ${ruleName(rules, list, open)} has no match, so it takes every request; move it to the end`,
      codes.unreachable,
    )
  const matches = rules[position]!.match ?? []
  let covered = 0
  matches.forEach((match, index) => {
    const by = earlier.findIndex((rule) => rule.match?.some((before) => covers(before, match)))
    const own = by < 0 ? matches.slice(0, index).findIndex((before) => covers(before, match)) : -1
    if (by < 0 && own < 0) return
    if (by >= 0) covered++
    findings.warn(
      `${path}.match[${index}]`,
      `is never used: ${by >= 0 ? ruleName(rules, list, by) : `match[${own}] of the same rule`} matches all of it`,
      codes.shadowed,
    )
  })
  if (matches.length && covered === matches.length)
    findings.warn(path, 'is never reached: earlier rules take all that it matches; move it before them', codes.unreachable)
}

/** `http[2] (canary)`. */
const ruleName = (rules: Pick<Rule, 'name'>[], list: string, position: number): string =>
  `${list}[${position}]${rules[position]!.name ? ` (${rules[position]!.name})` : ''}`

/** Whether every request that `match` takes is taken by `before`, as far as can be told. */
function coversHttp(before: HttpMatch, match: HttpMatch): boolean {
  const { name: _name, statPrefix: _stat, ...one } = before as HttpMatch & HttpRoute
  if (one.uri && !coversString(one.uri, match.uri, Boolean(before.ignoreUriCase), Boolean(match.ignoreUriCase))) return false
  for (const field of ['scheme', 'method', 'authority'] as const) if (one[field] && !coversString(one[field], match[field])) return false
  for (const table of ['headers', 'queryParams'] as const) {
    for (const [key, condition] of Object.entries(one[table] ?? {})) {
      const other = match[table]?.[key]
      if (!other || !(isPresence(condition) || coversString(condition, other))) return false
    }
  }
  for (const field of ['withoutHeaders', 'sourceLabels', 'gateways'] as const) {
    if (one[field] && canonical(one[field]) !== canonical(match[field])) return false
  }
  return (!one.port || one.port === match.port) && (!one.sourceNamespace || one.sourceNamespace === match.sourceNamespace)
}

const isPresence = (match: StringMatch): boolean => match.exact === undefined && match.prefix === undefined && match.regex === undefined

function coversString(before: StringMatch, match: StringMatch | undefined, anyCase = false, matchAnyCase = false): boolean {
  if (!match || (matchAnyCase && !anyCase)) return before.prefix === '/'
  const fold = (text: string): string => (anyCase ? text.toLowerCase() : text)
  if (before.regex !== undefined) return before.regex === match.regex || before.regex === '.*'
  if (before.exact !== undefined) return match.exact !== undefined && fold(before.exact) === fold(match.exact)
  const start = match.exact ?? match.prefix
  return before.prefix !== undefined && start !== undefined && fold(start).startsWith(fold(before.prefix))
}

/** JSON with the fields in one order. */
function canonical(value: unknown): string {
  return (
    JSON.stringify(value, (_key, inner: unknown) =>
      inner && typeof inner === 'object' && !Array.isArray(inner)
        ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
        : inner,
    ) ?? ''
  )
}
