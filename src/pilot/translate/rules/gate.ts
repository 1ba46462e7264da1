import type { MessageInitShape } from '@bufbuild/protobuf'
import type { RouteSchema } from '../../../common/proto/gen/envoy/config/route/v3/route_components_pb.js'
import type { Gate } from '../../../mesh/rules/gate.ts'
import { arrivedAt, gatewayHeader } from '../arrival.ts'
import { headerMatcher, literal } from './strings.ts'

type Routes = MessageInitShape<typeof RouteSchema>[]

/**
 * What stands before the rules of a path. Istio: Gateway servers[].tls.httpsRedirect. And a host whose Gateway asks clients for
 * certificates is not to be reached around it, by the name of another host in the TLS handshake: 421 (RFC 9110 §15.5.20).
 */
export function gateRoutes(gate: Gate | undefined, path: string): Routes {
  if (!gate) return []
  const pathSpecifier = path === '' ? { case: 'prefix' as const, value: '/' } : { case: 'pathSeparatedPrefix' as const, value: path }
  const redirect: Routes = gate.redirect.length
    ? [
        {
          name: 'https',
          match: { pathSpecifier, headers: [arrivedAt(gate.redirect), headerMatcher('x-forwarded-proto', { exact: 'http' })] },
          action: { case: 'redirect', value: { schemeRewriteSpecifier: { case: 'httpsRedirect', value: true } } },
        },
      ]
    : []
  if (!gate.mutual) return redirect
  const { servers, others } = gate.mutual
  const elsewhere = {
    ...headerMatcher(gatewayHeader, { regex: servers.map(literal).join('|') }),
    invertMatch: true,
    treatMissingHeaderAsEmpty: true,
  }
  const misdirected: Routes[number] = {
    name: 'misdirected',
    match: { pathSpecifier, headers: [elsewhere, ...(others.length ? [{ ...arrivedAt(others), invertMatch: true }] : [])] },
    action: {
      case: 'directResponse',
      value: {
        status: 421,
        body: {
          specifier: { case: 'inlineString', value: 'This host is served only to clients that show a certificate, under its own name.\n' },
        },
      },
    },
  }
  return [...redirect, misdirected]
}
