import type { RuleActionInit, RuleFeature } from './feature.ts'
import { authorityOf } from './header-operations.ts'

/** Changes path and host before the app sees them. Istio: VirtualService http[].rewrite. The path's matched prefix, or all of an exact or regex match, becomes `uri`. */
export const rewrite: RuleFeature = {
  action({ route: { rewrite, headers } }) {
    const authority = rewrite?.authority ?? authorityOf(headers)
    const regex = rewrite?.uriRegexRewrite
    return {
      ...(regex ? { regexRewrite: { pattern: { regex: regex.match ?? '' }, substitution: regex.rewrite ?? '' } } : {}),
      ...(rewrite?.uri !== undefined && !regex ? { prefixRewrite: rewrite.uri } : {}),
      ...(authority === undefined ? {} : { hostRewriteSpecifier: { case: 'hostRewriteLiteral', value: authority } }),
    } satisfies RuleActionInit
  },
}
