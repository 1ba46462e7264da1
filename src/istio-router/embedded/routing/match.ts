import {
  HeaderMatcherSchema,
  QueryParameterMatcherSchema,
  RouteMatchSchema,
  type HeaderMatcher,
  type QueryParameterMatcher,
  type RouteMatch,
} from '../../../common/proto/gen/envoy/config/route/v3/route_components_pb.js'
import { splitTarget } from '../../../mesh/path.ts'
import { queryValue, wireText } from '../../../mesh/wire.ts'
import type { Exchange } from '../exchange.ts'
import { compileRegex } from '../http/regex.ts'
import { compileString } from '../http/string-matcher.ts'
import { Unsupported, requireSupported } from '../resources/support.ts'

/** True for requests that a route is for. */
export type Match = (exchange: Exchange) => boolean

/** Compiles a `RouteMatch`. Throws `Unsupported`. */
export function compileMatch(match: RouteMatch | undefined, at: string): Match {
  if (!match) throw new Unsupported(at, 'is missing')
  requireSupported(
    RouteMatchSchema,
    match,
    {
      prefix: true,
      path: true,
      path_separated_prefix: true,
      safe_regex: { regex: true, google_re2: true },
      case_sensitive: true,
      headers: true,
      query_parameters: true,
      grpc: {},
    },
    `${at}.`,
  )
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
      return [
        (exchange) => {
          const path = pathOf(exchange)
          return path.startsWith(prefix) && (path.length === prefix.length || path[prefix.length] === '/')
        },
      ]
    }
    case 'safeRegex': {
      const { matches } = compileRegex(pathSpecifier.value.regex, `${at}.safe_regex`)
      return [({ path }) => matches(splitTarget(path).path)]
    }
    default:
      throw new Unsupported(`${at}.${pathSpecifier.case ?? 'path_specifier'}`)
  }
}

/** Compiles a `HeaderMatcher`. Throws `Unsupported`. */
export function compileHeader(matcher: HeaderMatcher, at: string): Match {
  requireSupported(
    HeaderMatcherSchema,
    matcher,
    {
      name: true,
      exact_match: true,
      safe_regex_match: { regex: true, google_re2: true },
      range_match: true,
      present_match: true,
      prefix_match: true,
      suffix_match: true,
      contains_match: true,
      string_match: true,
      invert_match: true,
      treat_missing_header_as_empty: true,
    },
    `${at}.`,
  )
  const name = matcher.name.toLowerCase()
  const matches = compileHeaderValue(matcher, at)
  const { invertMatch, treatMissingHeaderAsEmpty } = matcher
  return (exchange) => {
    const values = exchange.requestValues(name)
    if (matcher.headerMatchSpecifier.case === 'presentMatch') return matches(values[0]) !== invertMatch
    // As Envoy: of several values one is enough, and a header that is missing never matches, inverted or not, unless it counts as empty.
    if (values.length === 0 && !treatMissingHeaderAsEmpty) return false
    return (values.length === 0 ? matches('') : values.some(matches)) !== invertMatch
  }
}

function compileHeaderValue({ headerMatchSpecifier: specifier }: HeaderMatcher, at: string): (value: string | undefined) => boolean {
  switch (specifier.case) {
    case 'presentMatch':
      return (value) => (value !== undefined) === specifier.value
    case undefined:
      return (value) => value !== undefined
    case 'exactMatch':
      return (value) => value === wireText(specifier.value)
    case 'prefixMatch':
      return (value) => value!.startsWith(wireText(specifier.value))
    case 'suffixMatch':
      return (value) => value!.endsWith(wireText(specifier.value))
    case 'containsMatch':
      return (value) => value!.includes(wireText(specifier.value))
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
  const { queryParameterMatchSpecifier: specifier } = matcher
  const name = wireText(matcher.name)
  const valueOf = ({ path }: Exchange): string | undefined => queryValue(splitTarget(path).query.slice(1), name)
  if (specifier.case !== 'stringMatch') {
    const present = specifier.value ?? true
    return (exchange) => (valueOf(exchange) !== undefined) === present
  }
  const matches = compileString(specifier.value, `${at}.string_match`)
  return (exchange) => {
    const value = valueOf(exchange)
    return value !== undefined && matches(value)
  }
}
