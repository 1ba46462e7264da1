import { create, fromBinary, toBinary, type MessageInitShape } from '@bufbuild/protobuf'
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
  /** The cluster that it leads to, where it is that of one host and path; else it is found by name. */
  cluster?: string
  exposure: Exposure
  /** Its answers may go on for hours. */
  streams: boolean
}

export const exposures: Exposure[] = ['pub', 'int']

/** The virtual host of all hosts without rules. */
const platform = 'platform'

type Match = Extract<MessageInitShape<typeof RouteMatchSchema>, { $typeName?: never }>

const bodiless = [equals(':method', 'GET'), ...['upgrade', 'content-type', 'content-length', 'transfer-encoding'].map(absent)]

/** What each constant route matches, in the order in which they are tried: first what most requests are, by looking for headers alone. */
const matches: { name: ConstantRoute['name']; streams: boolean; match: Match }[] = [
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

/** The routes of platform requests: for any host and path, or for those of one cluster. */
export function constantRoutes(exposure: Exposure, context: Context, { path, cluster }: { path: string; cluster?: string } = { path: '' }) {
  const pathSpecifier = path === '' ? { case: 'prefix' as const, value: '/' } : { case: 'pathSeparatedPrefix' as const, value: path }
  const plain = features.flatMap((feature) => feature.plain?.(context) ?? [])
  const typedPerFilterConfig = Object.fromEntries(plain.map(({ filter, config }) => [filter, config ?? filterOff]))
  const plainRoute = {
    name: 'idempotent' as const,
    streams: false,
    match: { headers: [...bodiless, ...plain.flatMap(({ headers }) => headers)] },
    typedPerFilterConfig,
  }
  return [plainRoute, ...matches].map(({ name, streams, match, ...filters }) => ({
    name,
    match: { ...match, pathSpecifier },
    ...filters,
    action: {
      case: 'route' as const,
      value: together(features.flatMap((feature) => feature.route?.({ name, exposure, streams, cluster }, context) ?? [])),
    },
  }))
}

/** What `directResponse` may have as its body, bytes; as in src/mesh/istio. */
const largestAnswer = 1_048_576

/**
 * Makes route configurations. Platform routes are not in them: they are found by their clusters' names. Hosts with rules come first,
 * `beneath` are those without that would fall to a wildcard host with rules. Messages of one field after another are one message.
 */
export class RouteConfigurationMaker {
  readonly #platform: Map<Exposure, Uint8Array>
  readonly #specifiers: Map<Exposure, Uint8Array>
  readonly #context: Context

  constructor(context: Context) {
    this.#context = context
    this.#platform = new Map(exposures.map((exposure) => [exposure, this.#platformHost(exposure, [])]))
    this.#specifiers = new Map(exposures.map((exposure) => [exposure, encoded({ clusterSpecifierPlugins: [platformSpecifier(exposure)] })]))
  }

  make(name: string, exposure: Exposure, virtualHosts: Uint8Array[] = [], beneath: string[] = []): Resource {
    const own = encoded({
      name,
      ...(virtualHosts.length ? { ignorePortInHostMatching: true, maxDirectResponseBodySizeBytes: largestAnswer } : {}),
    })
    const others = beneath.length ? this.#platformHost(exposure, beneath) : this.#platform.get(exposure)!
    const writer = new BinaryWriter().raw(own)
    for (const host of [...virtualHosts, others]) writer.tag(virtualHostField, WireType.LengthDelimited).bytes(host)
    return encodedResource(typeUrls.route, name, writer.raw(this.#specifiers.get(exposure)!).finish())
  }

  #platformHost(exposure: Exposure, beneath: string[]): Uint8Array {
    const domains = ['*', ...beneath.flatMap((host) => [host, `${host}.`])]
    return toBinary(
      VirtualHostSchema,
      create(VirtualHostSchema, { name: platform, domains, routes: constantRoutes(exposure, this.#context) }),
    )
  }
}

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
    if (name !== platform) hosts.set(name, bytes)
  }
  return hosts
}
