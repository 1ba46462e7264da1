import type { RuleFeature } from './feature.ts'
import { headerMatcher, literal } from './strings.ts'

/**
 * Who calls, by the certificate that was shown on the internal listener: cells put an instance's app and space there. Istio: VirtualService
 * http[].match[].sourceLabels and sourceNamespace; ServiceEntries of a space are for its own apps. The header is the router's own; without
 * a certificate there is none.
 */
export const callers: RuleFeature = {
  match: ({ callers }) => ({ headers: [...oneOf('app', callers?.apps), ...oneOf('space', callers?.spaces, callers?.unknown)] }),
}

function oneOf(unit: string, guids: string[] | undefined, orUnknown = false) {
  if (!guids) return []
  if (!guids.length) return [headerMatcher(certificate, { exact: 'nobody' })]
  const known = `.*[",+]OU=${unit}:(${guids.map(literal).join('|')})[",+].*`
  if (!orUnknown) return [headerMatcher(certificate, { regex: known })]
  return [{ ...headerMatcher(certificate, { regex: `(${known})?` }), treatMissingHeaderAsEmpty: true }]
}

const certificate = 'x-forwarded-client-cert'
