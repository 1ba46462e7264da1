import type { StringMatcher } from '../../../common/proto/gen/envoy/type/matcher/v3/string_pb.js'
import { wireText } from '../../../mesh/wire.ts'
import { compileRegex } from './regex.ts'
import { Unsupported } from '../resources/support.ts'

/** Compiles a `StringMatcher`; a regular expression must match the whole text. Throws `Unsupported`. */
export function compileString(matcher: StringMatcher | undefined, path: string): (text: string) => boolean {
  const pattern = matcher?.matchPattern
  if (!matcher || !pattern) throw new Unsupported(path, 'is missing')
  const fold = (text: string): string => (matcher.ignoreCase ? text.toLowerCase() : text)
  switch (pattern.case) {
    case 'exact': {
      const exact = fold(wireText(pattern.value))
      return (text) => fold(text) === exact
    }
    case 'prefix': {
      const prefix = fold(wireText(pattern.value))
      return (text) => fold(text).startsWith(prefix)
    }
    case 'suffix': {
      const suffix = fold(wireText(pattern.value))
      return (text) => fold(text).endsWith(suffix)
    }
    case 'contains': {
      const part = fold(wireText(pattern.value))
      return (text) => fold(text).includes(part)
    }
    case 'safeRegex': {
      return compileRegex(pattern.value.regex, path).matches
    }
    default:
      throw new Unsupported(`${path}.${pattern.case ?? 'match_pattern'}`)
  }
}
