import { hash } from 'node:crypto'
import {
  RouteAction_HashPolicySchema,
  type RouteAction_HashPolicy,
  type RouteAction_HashPolicy_Cookie,
} from '../../../common/proto/gen/envoy/config/route/v3/route_components_pb.js'
import { splitTarget } from '../../../mesh/path.ts'
import { queryValue, wireText } from '../../../mesh/wire.ts'
import type { Exchange } from '../exchange.ts'
import { Unsupported, requireSupported } from '../resources/support.ts'

/** A number of 32 bits by which a request is known again; undefined for one that has nothing to be known by. */
export type HashPolicy = (exchange: Exchange) => number | undefined

/** A hash of 32 bits, even over its range: the first of SHA-1, which Node has in C++. */
export function hashOf(text: string): number {
  return hash('sha1', text, 'buffer').readUInt32LE(0)
}

/** Compiles `HashPolicy` messages, of which each adds its part. Throws `Unsupported`. */
export function compileHashPolicies(policies: RouteAction_HashPolicy[], at: string): HashPolicy | undefined {
  const parts = policies.map((policy, index) => ({ read: compileHashPolicy(policy, `${at}[${index}]`), terminal: policy.terminal }))
  if (parts.length === 0) return undefined
  return (exchange) => {
    let result: number | undefined
    for (const { read, terminal } of parts) {
      const text = read(exchange)
      if (text !== undefined) result = (result === undefined ? hashOf(text) : ((result << 1) | (result >>> 31)) ^ hashOf(text)) >>> 0
      if (terminal && result !== undefined) break
    }
    return result
  }
}

function compileHashPolicy(policy: RouteAction_HashPolicy, at: string): (exchange: Exchange) => string | undefined {
  requireSupported(
    RouteAction_HashPolicySchema,
    policy,
    { header: { header_name: true }, cookie: true, connection_properties: true, query_parameter: true, terminal: true },
    `${at}.`,
  )
  const { case: kind, value } = policy.policySpecifier
  switch (kind) {
    case 'header': {
      const name = value.headerName.toLowerCase()
      return (exchange) => exchange.requestHeader(name)
    }
    case 'cookie':
      return cookie(value)
    case 'connectionProperties':
      return ({ client }) => client.address
    case 'queryParameter': {
      const name = wireText(value.name)
      return ({ path }) => queryValue(splitTarget(path).query.slice(1), name)
    }
    default:
      throw new Unsupported(`${at}.${kind ?? 'policy_specifier'}`)
  }
}

/** The value of a cookie. A client without it is given one where it has a time to live; one of 0 lasts as long as the browser. */
function cookie({ name: written, path, ttl, attributes }: RouteAction_HashPolicy_Cookie): (exchange: Exchange) => string | undefined {
  const name = wireText(written)
  const life = ttl && Math.round(Number(ttl.seconds) + ttl.nanos / 1e9)
  const rest = wireText(
    [
      ...(life ? [`Max-Age=${life}`] : []),
      ...(path === '' ? [] : [`Path=${path}`]),
      ...attributes.map((attribute) => (attribute.value === '' ? attribute.name : `${attribute.name}=${attribute.value}`)),
      'HttpOnly',
    ].join('; '),
  )
  return (exchange) => {
    const known = readCookie(exchange.headers.getAll('cookie'), name) ?? exchange.cookies?.get(name)?.value
    if (known !== undefined || life === undefined) return known
    const value = hashOf(exchange.id).toString(16).padStart(8, '0') + hashOf(`${exchange.id} `).toString(16).padStart(8, '0')
    ;(exchange.cookies ??= new Map()).set(name, { value, header: `${name}="${value}"; ${rest}` })
    return value
  }
}

/** The value of the cookie `name` in a `Cookie` header, without quotes around it. */
function readCookie(header: string | undefined, name: string): string | undefined {
  for (const pair of header?.split(/[;,]/) ?? []) {
    const at = pair.indexOf('=')
    if (at > 0 && pair.slice(0, at).trim() === name)
      return pair
        .slice(at + 1)
        .trim()
        .replace(/^"(.*)"$/, '$1')
  }
  return undefined
}
