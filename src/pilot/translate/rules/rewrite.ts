import type { RuleActionInit, RuleFeature } from './feature.ts'
import { authorityOf } from './header-operations.ts'

/**
 * Changes path and host before the app sees them. Istio: VirtualService http[].rewrite, and the header `Host` of a destination, which is
 * its own. The path's matched prefix, or all of an exact or regex match, becomes `uri`.
 */
export const rewrite: RuleFeature = {
  action({ route: { rewrite, headers }, targets }) {
    const [only] = targets.length === 1 ? targets : []
    const authority = authorityOf(only?.headers) ?? rewrite?.authority ?? authorityOf(headers)
    const regex = rewrite?.uriRegexRewrite
    return {
      ...(regex ? { regexRewrite: { pattern: { regex: regex.match ?? '' }, substitution: regex.rewrite ?? '' } } : {}),
      ...(rewrite?.uri !== undefined && !regex ? { prefixRewrite: rewrite.uri } : {}),
      ...(authority === undefined ? {} : { hostRewriteSpecifier: { case: 'hostRewriteLiteral', value: authority } }),
    } satisfies RuleActionInit
  },
}
