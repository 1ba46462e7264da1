import { HeaderMatcherSchema, QueryParameterMatcherSchema, RouteMatchSchema, type HeaderMatcher, type QueryParameterMatcher, type RouteMatch } from '../../../common/proto/gen/envoy/config/route/v3/route_components_pb.js'
import { splitTarget } from '../../../mesh/path.ts'
import type { Exchange } from '../exchange.ts'
import { compileRegex } from '../http/regex.ts'
import { compileString } from '../http/string-matcher.ts'
import { Unsupported, requireSupported } from '../resources/support.ts'

/** True for requests that a route is for. */
export type Match = (exchange: Exchange) => boolean

/** Compiles a `RouteMatch`. Throws `Unsupported`. */
export function compileMatch(match: RouteMatch | undefined, at: string): Match {
  if (!match) throw new Unsupported(at, 'is missing')
  requireSupported(RouteMatchSchema, match, {
    prefix: true, path: true, path_separated_prefix: true, safe_regex: { regex: true, google_re2: true }, case_sensitive: true, headers: true, query_parameters: true, grpc: {},
  }, `${at}.`)
  const conditions: Match[] = [
    ...compilePath(match, at),
    ...match.headers.map((header, index) => compileHeader(header, `${at}.headers[${index}]`)),
    ...match.queryParameters.map((parameter, index) => compileQuery(parameter, `${at}.query_parameters[${index}]`)),
    ...(match.grpc ? [isGrpc] : []),
  ]
  const [only] = conditions
  if (conditions.length === 0) return () => true
  return conditions.length === 1 ? only! : (exchange) => conditions.every((condition) => condition(exchange))
}

/** True for a gRPC request, by its content type. */
export function isGrpc({ headers }: Exchange): boolean {
  const type = headers.get('content-type')
  return type !== undefined && /^application\/grpc($|[+;])/.test(type)
}

function compilePath({ pathSpecifier, caseSensitive }: RouteMatch, at: string): Match[] {
  const fold = (text: string): string => (caseSensitive === false ? text.toLowerCase() : text)
  const pathOf = ({ path }: Exchange): string => fold(splitTarget(path).path)
  switch (pathSpecifier.case) {
    case 'prefix': {
      const prefix = fold(pathSpecifier.value)
      return prefix === '/' ? [] : [(exchange) => pathOf(exchange).startsWith(prefix)]
    }
    case 'path': {
      const exact = fold(pathSpecifier.value)
      return [(exchange) => pathOf(exchange) === exact]
    }
    case 'pathSeparatedPrefix': {
      const prefix = fold(pathSpecifier.value)
      return [(exchange) => {
        const path = pathOf(exchange)
        return path.startsWith(prefix) && (path.length === prefix.length || path[prefix.length] === '/')
      }]
    }
    case 'safeRegex': {
      const { matches } = compileRegex(pathSpecifier.value.regex, `${at}.safe_regex`)
      return [({ path }) => matches(splitTarget(path).path)]
    }
    default: throw new Unsupported(`${at}.${pathSpecifier.case ?? 'path_specifier'}`)
  }
}

/** Compiles a `HeaderMatcher`. Throws `Unsupported`. */
export function compileHeader(matcher: HeaderMatcher, at: string): Match {
  requireSupported(HeaderMatcherSchema, matcher, {
    name: true, exact_match: true, safe_regex_match: { regex: true, google_re2: true }, range_match: true, present_match: true, prefix_match: true, suffix_match: true,
    contains_match: true, string_match: true, invert_match: true, treat_missing_header_as_empty: true,
  }, `${at}.`)
  const name = matcher.name.toLowerCase()
  const matches = compileHeaderValue(matcher, at)
  const { invertMatch, treatMissingHeaderAsEmpty } = matcher
  return (exchange) => {
    const value = exchange.requestHeader(name) ?? (treatMissingHeaderAsEmpty ? '' : undefined)
    // As Envoy: a header that is missing never matches, inverted or not, unless the question is whether it is there.
    if (value === undefined && matcher.headerMatchSpecifier.case !== 'presentMatch') return false
    return matches(value) !== invertMatch
  }
}

function compileHeaderValue({ headerMatchSpecifier: specifier }: HeaderMatcher, at: string): (value: string | undefined) => boolean {
  switch (specifier.case) {
    case 'presentMatch': return (value) => (value !== undefined) === specifier.value
    case undefined: return (value) => value !== undefined
    case 'exactMatch': return (value) => value === specifier.value
    case 'prefixMatch': return (value) => value!.startsWith(specifier.value)
    case 'suffixMatch': return (value) => value!.endsWith(specifier.value)
    case 'containsMatch': return (value) => value!.includes(specifier.value)
    case 'safeRegexMatch': {
      const { matches } = compileRegex(specifier.value.regex, `${at}.safe_regex_match`)
      return (value) => matches(value!)
    }
    case 'stringMatch': {
      const matches = compileString(specifier.value, `${at}.string_match`)
      return (value) => matches(value!)
    }
    case 'rangeMatch': {
      const { start, end } = specifier.value
      return (value) => /^-?\d+$/.test(value!) && Number(value) >= Number(start) && Number(value) < Number(end)
    }
  }
}

function compileQuery(matcher: QueryParameterMatcher, at: string): Match {
  requireSupported(QueryParameterMatcherSchema, matcher, { name: true, string_match: true, present_match: true }, `${at}.`)
  const { name, queryParameterMatchSpecifier: specifier } = matcher
  const valueOf = ({ path }: Exchange): string | null => new URLSearchParams(splitTarget(path).query).get(name)
  if (specifier.case !== 'stringMatch') {
    const present = specifier.value ?? true
    return (exchange) => (valueOf(exchange) !== null) === present
  }
  const matches = compileString(specifier.value, `${at}.string_match`)
  return (exchange) => {
    const value = valueOf(exchange)
    return value !== null && matches(value)
  }
}
