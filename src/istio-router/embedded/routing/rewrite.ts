import type { RouteAction, RouteMatch } from '../../../common/proto/gen/envoy/config/route/v3/route_components_pb.js'
import type { RegexMatchAndSubstitute } from '../../../common/proto/gen/envoy/type/matcher/v3/regex_pb.js'
import { splitTarget } from '../../../mesh/path.ts'
import { wireText } from '../../../mesh/wire.ts'
import type { Exchange } from '../exchange.ts'
import { compileRegex } from '../http/regex.ts'
import { Unsupported } from '../resources/support.ts'

/** Makes the path that is sent on out of the one that was matched, its query left alone. */
export type PathRewrite = (path: string) => string

/** Compiles what becomes of a route's path. Throws `Unsupported`. */
export function compilePathRewrite(
  { prefixRewrite: prefix, regexRewrite }: { prefixRewrite: string; regexRewrite?: RegexMatchAndSubstitute | undefined },
  match: RouteMatch,
  at: string,
): PathRewrite | undefined {
  if (regexRewrite) return byRegex(regexRewrite, at)
  if (prefix === '') return undefined
  const prefixRewrite = wireText(prefix)
  const { pathSpecifier } = match
  switch (pathSpecifier.case) {
    case 'prefix':
    case 'path':
    case 'pathSeparatedPrefix': {
      const { length } = pathSpecifier.value
      return onPath((path) => prefixRewrite + path.slice(length))
    }
    case 'safeRegex':
      return onPath(() => prefixRewrite)
    default:
      throw new Unsupported(`${at}.prefix_rewrite`)
  }
}

/** RE2 writes `\1` to `\9` for groups and `\0` for the whole match. */
function byRegex({ pattern, substitution }: RegexMatchAndSubstitute, at: string): PathRewrite {
  const { replace } = compileRegex(pattern?.regex ?? '', `${at}.regex_rewrite`)
  const replacement = wireText(substitution)
    .replaceAll('$', '$$$$')
    .replace(/\\(\d|\\)/g, (_all, digit: string) => (digit === '\\' ? '\\' : digit === '0' ? '$&' : `$${digit}`))
  return onPath((path) => replace(path, replacement))
}

function onPath(rewrite: (path: string) => string): PathRewrite {
  return (target) => {
    const { path, query } = splitTarget(target)
    return rewrite(path) + query
  }
}

/** Compiles the rewriting of path and authority before a request goes on. Throws `Unsupported`. */
export function compileRewrite(action: RouteAction, match: RouteMatch, at: string): ((exchange: Exchange) => void) | undefined {
  const path = compilePathRewrite(action, match, at)
  const { case: kind, value } = action.hostRewriteSpecifier
  if (kind !== undefined && kind !== 'hostRewriteLiteral') throw new Unsupported(`${at}.${kind}`)
  const host = kind === 'hostRewriteLiteral' && value !== '' ? wireText(value) : undefined
  if (!path && host === undefined) return undefined
  return (exchange) => {
    if (path) exchange.path = path(exchange.path)
    if (host !== undefined) exchange.authority = host
  }
}
