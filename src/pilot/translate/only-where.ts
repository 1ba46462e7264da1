import type { MessageInitShape } from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import { ExtensionWithMatcherSchema } from '../../common/proto/gen/envoy/extensions/common/matching/v3/extension_matcher_pb.js'
import { SkipFilterSchema } from '../../common/proto/gen/envoy/extensions/filters/common/matcher/action/v3/skip_action_pb.js'
import {
  HttpRequestHeaderMatchInputSchema,
  HttpResponseHeaderMatchInputSchema,
} from '../../common/proto/gen/envoy/type/matcher/v3/http_inputs_pb.js'
import type { Matcher_MatcherList_PredicateSchema } from '../../common/proto/gen/xds/type/matcher/v3/matcher_pb.js'
import type { FilterInit } from './feature.ts'
import { extension, packed } from './proto.ts'

export type Predicate = MessageInitShape<typeof Matcher_MatcherList_PredicateSchema>

const header = (input: ReturnType<typeof extension>, regex: string): Predicate => ({
  matchType: {
    case: 'singlePredicate',
    value: {
      input,
      matcher: {
        case: 'valueMatch',
        value: { matchPattern: { case: 'safeRegex', value: { engineType: { case: 'googleRe2', value: {} }, regex } } },
      },
    },
  },
})

/** True where a request has the header, whose whole value fits `regex`. */
export const requestHeader = (headerName: string, regex = '.*'): Predicate =>
  header(extension('request-header', HttpRequestHeaderMatchInputSchema, { headerName }), regex)

/** True where an answer has the header. */
export const responseHeader = (headerName: string): Predicate =>
  header(extension('response-header', HttpResponseHeaderMatchInputSchema, { headerName }), '.*')

export const not = (value: Predicate): Predicate => ({ matchType: { case: 'notMatcher', value } })
export const allOf = (...predicate: Predicate[]): Predicate => ({ matchType: { case: 'andMatcher', value: { predicate } } })
export const anyOf = (...predicate: Predicate[]): Predicate => ({ matchType: { case: 'orMatcher', value: { predicate } } })

/** A filter for those requests, or answers, alone for which `predicate` holds. The others cost the look at it and no more. */
export function onlyWhere(name: string, predicate: Predicate, typedConfig: Any): FilterInit {
  const skip = extension('skip', SkipFilterSchema, {})
  const matchers = [{ predicate: not(predicate), onMatch: { onMatch: { case: 'action' as const, value: skip } } }]
  const value = packed(ExtensionWithMatcherSchema, {
    extensionConfig: { name, typedConfig },
    xdsMatcher: { matcherType: { case: 'matcherList', value: { matchers } } },
  })
  return { name, configType: { case: 'typedConfig', value } }
}
