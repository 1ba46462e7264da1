import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf'
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { RouteConfigurationSchema } from '../../common/proto/gen/envoy/config/route/v3/route_pb.js'
import { VirtualHostSchema, type RouteMatchSchema } from '../../common/proto/gen/envoy/config/route/v3/route_components_pb.js'
import { encodedResource, typeUrls, type Resource } from '../../common/xds/resources.ts'
import type { Exposure } from '../../mesh/records.ts'
import { together, type Context } from './feature.ts'
import { features } from './features.ts'

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

type Match = Extract<MessageInitShape<typeof RouteMatchSchema>, { $typeName?: never }>

const header = (name: string, regex: string) => ({
  name,
  headerMatchSpecifier: { case: 'stringMatch' as const, value: { matchPattern: { case: 'safeRegex' as const, value: { regex } } } },
})
const present = (name: string, value: boolean) => ({ name, headerMatchSpecifier: { case: 'presentMatch' as const, value } })
const method = (regex: string) => header(':method', regex)
const contentLength = (regex: string) => header('content-length', regex)

/** What each constant route matches, in the order in which they are tried. */
const matches: { name: ConstantRoute['name']; streams: boolean; match: Match }[] = [
  { name: 'grpc', streams: true, match: { grpc: {} } },
  { name: 'upgrade', streams: true, match: { headers: [present('upgrade', true)] } },
  {
    name: 'idempotent',
    streams: false,
    match: {
      headers: [method('GET|HEAD|OPTIONS|TRACE|DELETE'), { ...contentLength('0*'), treatMissingHeaderAsEmpty: true }, present('transfer-encoding', false)],
    },
  },
  // Envoy does not show that a body comes in chunks, as that of a PUT may.
  { name: 'idempotent', streams: false, match: { headers: [method('PUT'), contentLength('0+')] } },
  { name: 'other', streams: false, match: {} },
]

/** The routes of platform requests: for any host and path, or for those of one cluster. */
export function constantRoutes(exposure: Exposure, context: Context, { path, cluster }: { path: string; cluster?: string } = { path: '' }) {
  const pathSpecifier = path === '' ? { case: 'prefix' as const, value: '/' } : { case: 'pathSeparatedPrefix' as const, value: path }
  return matches.map(({ name, streams, match }) => ({
    name,
    match: { ...match, pathSpecifier },
    action: { case: 'route' as const, value: together(features.flatMap((feature) => feature.route?.({ name, exposure, streams, cluster }, context) ?? [])) },
  }))
}

/**
 * Makes the route configuration of an exposure. Platform routes are not in it: they are found by their clusters' names. Hosts with rules come
 * first, `beneath` are those without that would fall to a wildcard host with rules. Messages of one field after another are one message.
 */
export class RouteConfigurationMaker {
  readonly #constants: Map<Exposure, Uint8Array>
  readonly #context: Context

  constructor(context: Context) {
    this.#context = context
    this.#constants = new Map(exposures.map((exposure) => [exposure, encodeField(2, this.#platform(exposure, []))]))
  }

  make(exposure: Exposure, virtualHosts: Iterable<Uint8Array> = [], beneath: string[] = []): Resource {
    const hosts = [...virtualHosts].map((bytes) => encodeField(2, bytes))
    const own = create(RouteConfigurationSchema, { name: exposure, ...(hosts.length ? { ignorePortInHostMatching: true } : {}) })
    const platform = beneath.length ? encodeField(2, this.#platform(exposure, beneath)) : this.#constants.get(exposure)!
    return encodedResource(typeUrls.route, exposure, Buffer.concat([toBinary(RouteConfigurationSchema, own), ...hosts, platform]))
  }

  #platform(exposure: Exposure, beneath: string[]): Uint8Array {
    const domains = ['*', ...beneath.flatMap((host) => [host, `${host}.`])]
    return toBinary(VirtualHostSchema, create(VirtualHostSchema, { name: 'platform', domains, routes: constantRoutes(exposure, this.#context) }))
  }
}

/** A field of bytes. */
function encodeField(field: number, bytes: Uint8Array): Uint8Array {
  const head = new BinaryWriter().tag(field, WireType.LengthDelimited).uint32(bytes.length).finish()
  return Buffer.concat([head, bytes])
}
