import {
  RateLimit_Action_HeaderValueMatchSchema,
  RateLimit_ActionSchema,
  RateLimitSchema,
  type RateLimit,
  type RateLimit_Action,
} from '../../../common/proto/gen/envoy/config/route/v3/route_components_pb.js'
import type { Exchange } from '../exchange.ts'
import { Unsupported, requireSupported } from '../resources/support.ts'
import { compileHeader } from '../routing/match.ts'

/** Part of what a request is counted by. */
export interface Entry {
  key: string
  value: string
}

/** Describes a request to who counts it; undefined for one that is not counted. */
export type Describe = (exchange: Exchange) => Entry[] | undefined

/** Compiles a `config.route.v3.RateLimit`: what a request is described by, in the order of the actions. Throws `Unsupported`. */
export function compileDescription(limit: RateLimit, at: string): Describe {
  requireSupported(RateLimitSchema, limit, { actions: true }, `${at}.`)
  const actions = limit.actions.map((action, index) => compileAction(action, `${at}.actions[${index}]`))
  return (exchange) => {
    const entries: Entry[] = []
    for (const action of actions) {
      const entry = action(exchange)
      if (entry === null) return undefined
      if (entry) entries.push(entry)
    }
    return entries
  }
}

/** An entry of the description; null where the request is not described at all, undefined where only this entry is left out. */
function compileAction(action: RateLimit_Action, at: string): (exchange: Exchange) => Entry | undefined | null {
  requireSupported(
    RateLimit_ActionSchema,
    action,
    {
      request_headers: true,
      remote_address: true,
      generic_key: { descriptor_key: true, descriptor_value: true },
      header_value_match: true,
    },
    `${at}.`,
  )
  const { case: kind, value } = action.actionSpecifier
  switch (kind) {
    case 'requestHeaders':
      return (exchange) => {
        const header = exchange.requestHeader(value.headerName.toLowerCase())
        return header === undefined || header === '' ? (value.skipIfAbsent ? undefined : null) : { key: value.descriptorKey, value: header }
      }
    case 'remoteAddress':
      return ({ client }) => ({ key: 'remote_address', value: client.address })
    case 'genericKey':
      return () => ({ key: value.descriptorKey || 'generic_key', value: value.descriptorValue })
    case 'headerValueMatch': {
      requireSupported(
        RateLimit_Action_HeaderValueMatchSchema,
        value,
        { descriptor_key: true, descriptor_value: true, expect_match: true, headers: true },
        `${at}.header_value_match.`,
      )
      const headers = value.headers.map((header, index) => compileHeader(header, `${at}.header_value_match.headers[${index}]`))
      const entry = { key: value.descriptorKey || 'header_match', value: value.descriptorValue }
      const expected = value.expectMatch ?? true
      return (exchange) => (headers.every((matches) => matches(exchange)) === expected ? entry : null)
    }
    default:
      throw new Unsupported(`${at}.${kind ?? 'action_specifier'}`)
  }
}
