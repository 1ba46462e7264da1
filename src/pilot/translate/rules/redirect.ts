import { RedirectAction_RedirectResponseCode as Code } from '../../../common/proto/gen/envoy/config/route/v3/route_components_pb.js'
import type { RuleFeature } from './feature.ts'

const codes: Record<number, Code> = {
  301: Code.MOVED_PERMANENTLY,
  302: Code.FOUND,
  303: Code.SEE_OTHER,
  307: Code.TEMPORARY_REDIRECT,
  308: Code.PERMANENT_REDIRECT,
}
const derived: Record<string, Record<string, number>> = { FROM_PROTOCOL_DEFAULT: { http: 80, https: 443 } }

/** Sends the client elsewhere. Istio: VirtualService http[].redirect. `uri: %PREFIX()%…` replaces the matched prefix only. */
export const redirect: RuleFeature = {
  answer({ route: { redirect } }) {
    if (!redirect) return undefined
    const { authority, uri, scheme, port, derivePort, redirectCode } = redirect
    const prefix = '%PREFIX()%'
    return {
      case: 'redirect',
      value: {
        responseCode: codes[redirectCode ?? 301],
        ...(authority === undefined ? {} : { hostRedirect: authority }),
        ...(scheme === undefined ? {} : { schemeRewriteSpecifier: { case: 'schemeRedirect' as const, value: scheme } }),
        ...(port === undefined ? {} : { portRedirect: port }),
        ...(derivePort !== undefined && scheme !== undefined ? { portRedirect: derived[derivePort]?.[scheme] ?? 0 } : {}),
        ...(uri === undefined
          ? {}
          : {
              pathRewriteSpecifier: uri.startsWith(prefix)
                ? { case: 'prefixRewrite' as const, value: uri.slice(prefix.length) }
                : { case: 'pathRedirect' as const, value: uri },
            }),
      },
    }
  },
}
