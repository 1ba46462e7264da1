import { HeaderValueOption_HeaderAppendAction as Append } from '../../../common/proto/gen/envoy/config/core/v3/base_pb.js'
import type { HttpRoute } from '../../../mesh/istio/types.ts'
import type { RuleFeature } from './feature.ts'

type Operations = NonNullable<HttpRoute['headers']>['request']

/** Headers set, added and removed. Istio: VirtualService http[].headers and http[].route[].headers. */
export const headerOperations: RuleFeature = {
  route: ({ route, targets }) => {
    const both = [route.headers, ...(targets.length === 1 ? [targets[0]?.headers] : [])].map(headerLists)
    return {
      requestHeadersToAdd: both.flatMap((lists) => lists.requestHeadersToAdd),
      requestHeadersToRemove: both.flatMap((lists) => lists.requestHeadersToRemove),
      responseHeadersToAdd: both.flatMap((lists) => lists.responseHeadersToAdd),
      responseHeadersToRemove: both.flatMap((lists) => lists.responseHeadersToRemove),
    }
  },
}

/** Operations on headers as Envoy's lists; `Host` is no header there, but what `rewrite.authority` sets. */
export function headerLists(headers: HttpRoute['headers']) {
  return {
    requestHeadersToAdd: toAdd(headers?.request),
    requestHeadersToRemove: headers?.request?.remove ?? [],
    responseHeadersToAdd: toAdd(headers?.response),
    responseHeadersToRemove: headers?.response?.remove ?? [],
  }
}

function toAdd(operations: Operations) {
  const option =
    (appendAction: Append) =>
    ([key, value]: [string, string]) => ({ header: { key, value }, appendAction, keepEmptyValue: true })
  return [
    ...Object.entries(operations?.set ?? {})
      .filter(isHeader)
      .map(option(Append.OVERWRITE_IF_EXISTS_OR_ADD)),
    ...Object.entries(operations?.add ?? {})
      .filter(isHeader)
      .map(option(Append.APPEND_IF_EXISTS_OR_ADD)),
  ]
}

const isHeader = ([name]: [string, string]): boolean => !['host', ':authority'].includes(name.toLowerCase())

/** The authority that a rule sets as a header, as Istio allows it. */
export function authorityOf(headers: HttpRoute['headers']): string | undefined {
  return Object.entries(headers?.request?.set ?? {}).find((entry) => !isHeader(entry))?.[1]
}
