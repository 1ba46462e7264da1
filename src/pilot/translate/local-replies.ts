import type { MessageInitShape } from '@bufbuild/protobuf'
import type { AccessLogFilterSchema } from '../../common/proto/gen/envoy/config/accesslog/v3/accesslog_pb.js'
import { HeaderValueOption_HeaderAppendAction as Append } from '../../common/proto/gen/envoy/config/core/v3/base_pb.js'
import type { Feature } from './feature.ts'
import { present } from './header-match.ts'
import { missingInstance } from './named-instances.ts'

interface Reply {
  flags: string[]
  /** A header that the request must have. */
  where?: string
  /** As it is, where absent; so is the body. */
  status?: number
  error: string
  headers?: Record<string, string>
  /** Headers for an answer that has none of the name. */
  unless?: Record<string, string>
  body?: string
}

/** What the router answers in an app's place: Envoy's response flags, then the answer as gorouter gives it. */
const replies: Reply[] = [
  {
    flags: ['NR', 'NC'],
    status: 404,
    error: 'unknown_route',
    body: "404 Not Found: Requested route ('%REQ(:AUTHORITY)%') does not exist.",
  },
  {
    flags: ['UO'],
    status: 503,
    error: 'overflow',
    headers: { 'X-Envoy-Overloaded': 'true' },
    body: "503 Service Unavailable: Requested route ('%REQ(:AUTHORITY)%') is at its limit.",
  },
  { flags: ['UH'], where: missingInstance, status: 400, error: 'unknown_route', body: `%REQ(${missingInstance})%` },
  {
    flags: ['UH'],
    status: 503,
    error: 'no_endpoints',
    body: "503 Service Unavailable: Requested route ('%REQ(:AUTHORITY)%') has no available endpoints.",
  },
  {
    flags: ['UT', 'SI', 'DT', 'UMSDR'],
    status: 504,
    error: 'timeout',
    body: '504 Gateway Timeout: Registered endpoint did not answer in time.',
  },
  {
    flags: ['UF', 'UC', 'UR', 'LR', 'UPE'],
    status: 502,
    error: 'endpoint_failure',
    body: '502 Bad Gateway: Registered endpoint failed to handle the request.',
  },
  // A limit that the operator's service counts; what a router counts itself is answered before Envoy sets the flag.
  { flags: ['RL'], error: 'rate_limited', unless: { 'Retry-After': '%RESP(x-ratelimit-reset)%' } },
]

type Filter = Extract<MessageInitShape<typeof AccessLogFilterSchema>, { $typeName?: never }>
const flagged = (flags: string[]): Filter => ({ filterSpecifier: { case: 'responseFlagFilter', value: { flags } } })
const has = (header: string): Filter => ({ filterSpecifier: { case: 'headerFilter', value: { header: present(header) } } })
const allOf = (...filters: Filter[]): Filter => ({ filterSpecifier: { case: 'andFilter', value: { filters } } })

const set = (key: string, value: string) => ({ header: { key, value }, appendAction: Append.OVERWRITE_IF_EXISTS_OR_ADD })

/** `X-Cf-RouterError` and a plain body on the answers that are the router's own. */
export const localReplies: Feature = {
  manager: () => ({
    localReplyConfig: {
      mappers: replies.map(({ flags, where, status, error, headers = {}, unless = {}, body }) => ({
        filter: where === undefined ? flagged(flags) : allOf(flagged(flags), has(where)),
        ...(status && { statusCode: status }),
        headersToAdd: [
          set('X-Cf-RouterError', error),
          set('X-Content-Type-Options', 'nosniff'),
          set('Cache-Control', 'no-cache, no-store'),
          ...Object.entries(headers).map(([name, value]) => set(name, value)),
          ...Object.entries(unless).map(([name, value]) => ({ ...set(name, value), appendAction: Append.ADD_IF_ABSENT })),
        ],
        ...(body && {
          bodyFormatOverride: {
            format: { case: 'textFormatSource', value: { specifier: { case: 'inlineString', value: `${body}\n` } } },
            contentType: 'text/plain; charset=utf-8',
          },
        }),
      })),
    },
  }),
}
