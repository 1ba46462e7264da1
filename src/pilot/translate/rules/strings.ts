import type { StringMatch } from '../../../mesh/istio/types.ts'

/** Istio's match of a string as Envoy's; one that asks for nothing matches what is there at all. */
export function stringMatcher({ exact, prefix, regex }: StringMatch) {
  if (exact !== undefined) return { matchPattern: { case: 'exact' as const, value: exact } }
  if (prefix !== undefined && prefix !== '') return { matchPattern: { case: 'prefix' as const, value: prefix } }
  return { matchPattern: { case: 'safeRegex' as const, value: { regex: regex ?? '.*' } } }
}

export const isAnything = ({ exact, prefix, regex }: StringMatch): boolean =>
  exact === undefined && !prefix && (regex === undefined || regex === '*')

/** A header that must match. */
export function headerMatcher(name: string, match: StringMatch) {
  if (isAnything(match)) return { name, headerMatchSpecifier: { case: 'presentMatch' as const, value: true } }
  return { name, headerMatchSpecifier: { case: 'stringMatch' as const, value: stringMatcher(match) } }
}

/** A regular expression that matches `text` and nothing else. */
export const literal = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
