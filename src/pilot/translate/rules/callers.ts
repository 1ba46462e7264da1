import type { RuleFeature } from './feature.ts'
import { headerMatcher, literal } from './strings.ts'

/**
 * Who calls, by the certificate that was shown on the internal listener: cells put an instance's app and space there. Istio: VirtualService
 * http[].match[].sourceLabels and sourceNamespace. The header is the router's own; without a certificate there is none.
 */
export const callers: RuleFeature = {
  match: ({ callers }) => ({ headers: [...oneOf('app', callers?.apps), ...oneOf('space', callers?.spaces)] }),
}

function oneOf(unit: string, guids: string[] | undefined) {
  if (!guids) return []
  const names = guids.map(literal).join('|')
  return [headerMatcher('x-forwarded-client-cert', guids.length ? { regex: `.*[",+]OU=${unit}:(${names})[",+].*` } : { exact: 'nobody' })]
}
