import { Type, type Static, type TSchema } from 'typebox'
import { Value } from 'typebox/value'
import type { DesiredLRP } from '../../common/proto/gen/bbs_pb.js'
import { messageOf } from '../../common/problem.ts'
import type { RouteOptions } from '../../mesh/records.ts'
import { readAddress, type Address } from '../serving/address.ts'
import type { Mapping } from '../serving/destinations.ts'

/** A route that a desired LRP lists. */
export interface Listing extends Address {
  mapping: Mapping
  internal: boolean
  options: RouteOptions
  /** The platform sends its requests through a route service first. */
  routeService: boolean
}

/** What the mesh keeps of a desired LRP. */
export interface Lrp {
  process: string
  domain: string
  app: string
  type: string
  instances: number
  listings: Listing[]
  /** Names as CC gave them to Diego; what is missing there is empty. */
  names: { app: string; space: string; spaceName: string; organization: string; organizationName: string }
  /** Its routes were no JSON we know: it says nothing of them. */
  unreadable?: string
}

const HttpRoutes = Type.Array(
  Type.Object({
    hostname: Type.Optional(Type.String()),
    hostnames: Type.Optional(Type.Union([Type.Array(Type.String()), Type.Null()])),
    port: Type.Integer({ minimum: 1, maximum: 65535 }),
    protocol: Type.Optional(Type.Union([Type.String(), Type.Null()])),
    route_service_url: Type.Optional(Type.Union([Type.String(), Type.Null()])),
    options: Type.Optional(Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.Null()])),
  }),
)
const InternalRoutes = Type.Array(Type.Object({ hostname: Type.String() }))

/** Undefined for what is no app's process. */
export function readDesired(lrp: DesiredLRP): Lrp | undefined {
  const tag = (name: string): string => lrp.metricTags[name]?.static ?? ''
  const app = tag('app_id') || lrp.logGuid
  if (!lrp.processGuid || !app) return undefined
  const process = { app, type: tag('process_type') || 'web' }
  const base = {
    process: lrp.processGuid,
    domain: lrp.domain,
    ...process,
    instances: Math.max(0, lrp.instances),
    names: {
      app: tag('app_name'),
      space: tag('space_id'),
      spaceName: tag('space_name'),
      organization: tag('organization_id'),
      organizationName: tag('organization_name'),
    },
  }
  try {
    return { ...base, listings: [...httpListings(lrp, process), ...internalListings(lrp, process)] }
  } catch (error) {
    return { ...base, listings: [], unreadable: messageOf(error) }
  }
}

type ProcessOf = Pick<Mapping, 'app' | 'type'>

function httpListings(lrp: DesiredLRP, process: ProcessOf): Listing[] {
  return routes(lrp, 'cf-router', HttpRoutes).flatMap(({ hostname, hostnames, port, protocol, options, route_service_url }) =>
    (hostnames ?? (hostname === undefined ? [] : [hostname])).flatMap((text) => {
      const address = readAddress(text)
      const mapping: Mapping = { ...process, port, protocol: protocol === 'http2' ? 'http2' : 'http1' }
      return address ? [{ ...address, mapping, internal: false, options: options ?? {}, routeService: Boolean(route_service_url) }] : []
    }),
  )
}

function internalListings(lrp: DesiredLRP, process: ProcessOf): Listing[] {
  return routes(lrp, 'internal-router', InternalRoutes).flatMap(({ hostname }) => {
    const address = readAddress(hostname)
    return address ? [{ ...address, mapping: { ...process, protocol: 'http1' }, internal: true, options: {}, routeService: false }] : []
  })
}

function routes<Schema extends TSchema>(lrp: DesiredLRP, router: string, schema: Schema): Static<Schema> {
  const json = lrp.routes?.routes[router]
  const value: unknown = json?.length ? JSON.parse(Buffer.from(json).toString('utf8')) : []
  if (Value.Check(schema, value ?? [])) return (value ?? []) as Static<Schema>
  const [fault] = Value.Errors(schema, value)
  throw new Error(`routes.${router}${fault?.instancePath}: ${fault?.message}`)
}
