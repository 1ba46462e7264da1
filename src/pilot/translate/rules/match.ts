import type { HttpMatch } from '../../../mesh/istio/types.ts'
import type { Binding } from '../../../mesh/rules/virtual-services.ts'
import { arrivedAt } from '../arrival.ts'
import type { MatchInit, RuleFeature } from './feature.ts'
import { headerMatcher, isAnything, literal, stringMatcher } from './strings.ts'

/** Which requests a rule is for. Istio: VirtualService http[].match. Envoy: RouteMatch. */
export const match: RuleFeature = {
  match: ({ match, binding, path }) => ({
    ...uri(match),
    ...(match.ignoreUriCase ? { caseSensitive: false } : {}),
    headers: [
      ...(path === '' ? [] : [headerMatcher(':path', { regex: `${literal(path)}([/?].*)?` })]),
      ...(binding === 'all' ? [] : [arrivedAt(binding)]),
      ...(match.scheme ? [headerMatcher('x-forwarded-proto', match.scheme)] : []),
      ...portOf(match, binding),
      ...(match.method ? [headerMatcher(':method', match.method)] : []),
      ...(match.authority ? [headerMatcher(':authority', match.authority)] : []),
      ...Object.entries(match.headers ?? {}).map(([name, value]) => headerMatcher(name, value)),
      ...Object.entries(match.withoutHeaders ?? {}).map(([name, value]) => without(name, value)),
    ],
    queryParameters: Object.entries(match.queryParams ?? {}).map(([name, value]) => ({
      name,
      queryParameterMatchSpecifier: isAnything(value)
        ? { case: 'presentMatch' as const, value: true }
        : { case: 'stringMatch' as const, value: stringMatcher(value) },
    })),
  }),
}

function uri({ uri }: HttpMatch): MatchInit {
  if (uri?.exact !== undefined) return { pathSpecifier: { case: 'path', value: uri.exact } }
  if (uri?.regex !== undefined) return { pathSpecifier: { case: 'safeRegex', value: { regex: uri.regex } } }
  return { pathSpecifier: { case: 'prefix', value: uri?.prefix || '/' } }
}

/** A header that must not match; one that is not there doesn't. */
function without(name: string, value: Parameters<typeof headerMatcher>[1]) {
  const matcher = headerMatcher(name, value)
  return { ...matcher, invertMatch: true, ...(isAnything(value) ? {} : { treatMissingHeaderAsEmpty: true }) }
}

/**
 * Istio's ports 80 and 443, and those of a Gateway's servers, are where the request arrived; any other is the one that the client names in
 * its request.
 */
function portOf({ port }: HttpMatch, binding: Binding) {
  if (!port) return []
  const ours = port === 80 || port === 443 || (binding !== 'all' && binding.some((arrival) => arrival.port === port))
  return [ours ? arrivedAt([{ port, selector: {} }]) : headerMatcher(':authority', { regex: `.*:${port}` })]
}
