import { create, fromBinary, toBinary, type MessageInitShape } from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { RouteConfigurationSchema } from '../../common/proto/gen/envoy/config/route/v3/route_pb.js'
import {
  FilterConfigSchema,
  VirtualHostSchema,
  type RouteMatchSchema,
} from '../../common/proto/gen/envoy/config/route/v3/route_components_pb.js'
import { encodedResource, typeUrls, type Resource } from '../../common/xds/resources.ts'
import type { Exposure } from '../../mesh/records.ts'
import { together, type Context } from './feature.ts'
import { features } from './features.ts'
import { absent, equals, fits, present } from './header-match.ts'
import { platformSpecifier } from './platform-route.ts'
import { packed } from './proto.ts'

/** One of the routes that never change: a class of requests, whatever their host and path. */
export interface ConstantRoute {
  name: 'grpc' | 'upgrade' | 'idempotent' | 'other'
  /** Where it leads: to the cluster of a simple host's name, to that which is found by host and path, or to one. */
  to: 'simple' | 'searched' | { cluster: string }
  exposure: Exposure
  /** Its answers may go on for hours. */
  streams: boolean
}

export const exposures: Exposure[] = ['pub', 'int']

/** The virtual host of all hosts without rules, and that of those among them that are not simple. */
const platform = { simple: 'platform', searched: 'platform/searched' }

/**
 * How many hosts a configuration names because they are not simple: the router reads them all when one comes or goes. Where there are more
 * none is named, and all are searched for.
 */
export const mostSearched = 2_000

type Match = Extract<MessageInitShape<typeof RouteMatchSchema>, { $typeName?: never }>

const bodiless = [equals(':method', 'GET'), ...['upgrade', 'content-type', 'content-length', 'transfer-encoding'].map(absent)]

interface Class {
  name: ConstantRoute['name']
  streams: boolean
  match: Match
  /** What it says to filters. */
  filters?: Record<string, Any>
}

/** What each constant route matches, in the order in which they are tried: first what most requests are, by looking for headers alone. */
const matches: Class[] = [
  { name: 'idempotent', streams: false, match: { headers: bodiless } },
  { name: 'grpc', streams: true, match: { grpc: {} } },
  { name: 'upgrade', streams: true, match: { headers: [present('upgrade')] } },
  {
    name: 'idempotent',
    streams: false,
    match: {
      headers: [
        fits(':method', 'GET|HEAD|OPTIONS|TRACE|DELETE'),
        { ...fits('content-length', '0*'), treatMissingHeaderAsEmpty: true },
        absent('transfer-encoding'),
      ],
    },
  },
  // Envoy does not show that a body comes in chunks, as that of a PUT may.
  { name: 'idempotent', streams: false, match: { headers: [fits(':method', 'PUT'), fits('content-length', '0+')] } },
  { name: 'other', streams: false, match: {} },
]

const filterOff = packed(FilterConfigSchema, { disabled: true })

/** A host as clusters are called by it. */
const normal = fits(':authority', '[a-z0-9._-]*[a-z0-9_-]')

/** The routes of platform requests: for any path, or for that of one cluster. */
export function constantRoutes(exposure: Exposure, context: Context, to: ConstantRoute['to'], path = '') {
  const pathSpecifier = path === '' ? { case: 'prefix' as const, value: '/' } : { case: 'pathSeparatedPrefix' as const, value: path }
  const plain = features.flatMap((feature) => feature.plain?.(context) ?? [])
  const simple = to === 'simple' ? features.flatMap((feature) => feature.simple?.(context) ?? []) : []
  const off = Object.fromEntries(simple.map((filter) => [filter, filterOff]))
  const plainRequests: Class = {
    name: 'idempotent',
    streams: false,
    match: { headers: [...bodiless, ...plain.flatMap(({ headers }) => headers)] },
    filters: Object.fromEntries(plain.map(({ filter, config }) => [filter, config ?? filterOff])),
  }
  return [plainRequests, ...matches].map(({ name, streams, match, filters }) => ({
    name,
    match: { ...match, headers: [...(match.headers ?? []), ...(to === 'simple' ? [normal] : [])], pathSpecifier },
    typedPerFilterConfig: { ...filters, ...off },
    action: {
      case: 'route' as const,
      value: together(features.flatMap((feature) => feature.route?.({ name, exposure, streams, to }, context) ?? [])),
    },
  }))
}

/** What `directResponse` may have as its body, bytes; as in src/mesh/istio. */
const largestAnswer = 1_048_576

/** Hosts without rules that stand by name in a route configuration. */
export interface Named {
  /** Those that would fall to a wildcard host with rules. */
  beneath: ReadonlySet<string>
  /** Those that are not simple. */
  searched: ReadonlySet<string>
}

/**
 * Makes route configurations. Platform routes are not in them: they are found by their clusters' names. Hosts with rules come first.
 * Messages of one field after another are one message.
 */
export class RouteConfigurationMaker {
  readonly #routes: Map<Exposure, Record<'simple' | 'searched', Uint8Array>>
  readonly #specifiers: Map<Exposure, Uint8Array>

  constructor(context: Context) {
    const routes = (exposure: Exposure, to: 'simple' | 'searched'): Uint8Array =>
      virtualHost({ routes: constantRoutes(exposure, context, to) })
    this.#routes = new Map(
      exposures.map((exposure) => [exposure, { simple: routes(exposure, 'simple'), searched: routes(exposure, 'searched') }]),
    )
    this.#specifiers = new Map(exposures.map((exposure) => [exposure, encoded({ clusterSpecifierPlugins: [platformSpecifier(exposure)] })]))
  }

  make(name: string, exposure: Exposure, virtualHosts: Uint8Array[], named: Named): Resource {
    const { simple, searched } = this.#routes.get(exposure)!
    const tellsApart = named.searched.size <= mostSearched
    const apart = tellsApart ? [...named.searched].sort() : []
    const others = [...named.beneath].filter((host) => !tellsApart || !named.searched.has(host)).sort()
    const hosts = [
      ...virtualHosts,
      ...(apart.length ? [Buffer.concat([virtualHost({ name: platform.searched, domains: domainsOf(apart) }), searched])] : []),
      Buffer.concat([
        virtualHost({ name: platform.simple, domains: ['*', ...domainsOf(others)] }),
        ...(tellsApart ? [simple] : []),
        searched,
      ]),
    ]
    const writer = new BinaryWriter().raw(
      encoded({ name, ...(hosts.length > 1 ? { ignorePortInHostMatching: true, maxDirectResponseBodySizeBytes: largestAnswer } : {}) }),
    )
    for (const host of hosts) writer.tag(virtualHostField, WireType.LengthDelimited).bytes(host)
    return encodedResource(typeUrls.route, name, writer.raw(this.#specifiers.get(exposure)!).finish())
  }
}

/** Hosts with and without the dot that a host may end in; ports are not looked at. */
export const domainsOf = (hosts: string[]): string[] => hosts.flatMap((host) => [host, `${host}.`])

const virtualHost = (init: MessageInitShape<typeof VirtualHostSchema>): Uint8Array =>
  toBinary(VirtualHostSchema, create(VirtualHostSchema, init))

const virtualHostField = RouteConfigurationSchema.field.virtualHosts.number

const encoded = (init: MessageInitShape<typeof RouteConfigurationSchema>): Uint8Array =>
  toBinary(RouteConfigurationSchema, create(RouteConfigurationSchema, init))

/** The virtual hosts of hosts with rules in a configuration that a maker made, encoded, by host. Throws if the bytes are no message. */
export function virtualHostsIn(configuration: Uint8Array): Map<string, Uint8Array> {
  const hosts = new Map<string, Uint8Array>()
  const reader = new BinaryReader(configuration)
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag()
    if (field !== virtualHostField) {
      reader.skip(wireType)
      continue
    }
    const bytes = reader.bytes()
    const { name } = fromBinary(VirtualHostSchema, bytes)
    if (name !== platform.simple && name !== platform.searched) hosts.set(name, bytes)
  }
  return hosts
}
