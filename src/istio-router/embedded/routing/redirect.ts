import {
  RedirectAction_RedirectResponseCode as Code,
  RedirectActionSchema,
  type RedirectAction,
  type RouteMatch,
} from '../../../common/proto/gen/envoy/config/route/v3/route_components_pb.js'
import { splitTarget } from '../../../mesh/path.ts'
import { wireText } from '../../../mesh/wire.ts'
import type { Exchange } from '../exchange.ts'
import { requireSupported } from '../resources/support.ts'
import { compilePathRewrite } from './rewrite.ts'
import type { Answer } from './route.ts'

const statuses = {
  [Code.MOVED_PERMANENTLY]: 301,
  [Code.FOUND]: 302,
  [Code.SEE_OTHER]: 303,
  [Code.TEMPORARY_REDIRECT]: 307,
  [Code.PERMANENT_REDIRECT]: 308,
}

/** Compiles a `RedirectAction`: sends the client elsewhere. Throws `Unsupported`. */
export function compileRedirect(action: RedirectAction, match: RouteMatch, at: string): Answer {
  requireSupported(
    RedirectActionSchema,
    action,
    {
      https_redirect: true,
      scheme_redirect: true,
      host_redirect: true,
      port_redirect: true,
      path_redirect: true,
      prefix_rewrite: true,
      regex_rewrite: true,
      response_code: true,
      strip_query: true,
    },
    `${at}.`,
  )
  const schemeOf = compileScheme(action)
  const pathOf = compilePath(action, match, at)
  const status = statuses[action.responseCode]
  return (exchange) => {
    const scheme = schemeOf(exchange)
    const host = wireText(action.hostRedirect) || hostOf(exchange, scheme, action.portRedirect !== 0)
    const port = action.portRedirect === 0 ? '' : `:${action.portRedirect}`
    exchange.reply(status, '', undefined, 'direct_response', ['location', `${scheme}://${host}${port}${pathOf(exchange.path)}`])
  }
}

function compileScheme({ schemeRewriteSpecifier: { case: kind, value } }: RedirectAction): (exchange: Exchange) => string {
  if (kind === 'schemeRedirect' && value !== '') return () => value.toLowerCase()
  if (kind === 'httpsRedirect' && value) return () => 'https'
  return ({ headers, scheme }) => headers.get('x-forwarded-proto') ?? scheme
}

function compilePath(action: RedirectAction, match: RouteMatch, at: string): (target: string) => string {
  const { pathRewriteSpecifier: specifier, stripQuery } = action
  const withQuery = (target: string): string => (stripQuery ? splitTarget(target).path : target)
  switch (specifier.case) {
    case 'pathRedirect': {
      const path = wireText(specifier.value)
      return path === '' ? withQuery : path.includes('?') ? () => path : (target) => path + (stripQuery ? '' : splitTarget(target).query)
    }
    case 'prefixRewrite':
    case 'regexRewrite': {
      const rewrite = compilePathRewrite(
        {
          prefixRewrite: specifier.case === 'prefixRewrite' ? specifier.value : '',
          regexRewrite: specifier.case === 'regexRewrite' ? specifier.value : undefined,
        },
        match,
        at,
      )
      return rewrite ? (target) => withQuery(rewrite(target)) : withQuery
    }
    default:
      return withQuery
  }
}

/** The client's authority; without its port where another is given, or where it was the usual one of the scheme that is left. */
function hostOf({ authority, headers, scheme: own }: Exchange, scheme: string, newPort: boolean): string {
  const port = /:\d+$/.exec(authority)?.[0]
  if (port === undefined) return authority
  const before = headers.get('x-forwarded-proto') ?? own
  const usual = scheme !== before && port === (before === 'https' ? ':443' : ':80')
  return newPort || usual ? authority.slice(0, -port.length) : authority
}
