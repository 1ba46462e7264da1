import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { RouteConfigurationSchema } from '../../common/proto/gen/envoy/config/route/v3/route_pb.js'
import type { RouteMatchSchema } from '../../common/proto/gen/envoy/config/route/v3/route_components_pb.js'
import { encodeResource, type Resource } from '../../common/xds/resources.ts'
import type { Exposure } from '../../mesh/records.ts'
import { together, type Context } from './feature.ts'
import { features } from './features.ts'

/** One of the routes that never change: a class of requests, whatever their host and path. */
export interface ConstantRoute {
  name: 'grpc' | 'upgrade' | 'idempotent' | 'other'
  exposure: Exposure
  /** Its answers may go on for hours. */
  streams: boolean
}

const exposures: Exposure[] = ['pub', 'int']

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

/** The route configurations of all exposures. Platform routes are not in them: they are found by their clusters' names. */
export function routeConfigurations(context: Context): Resource[] {
  return exposures.map((exposure) => {
    const routes = matches.map(({ name, streams, match }) => ({
      name,
      match: { ...match, pathSpecifier: { case: 'prefix' as const, value: '/' } },
      action: { case: 'route' as const, value: together(features.flatMap((feature) => feature.route?.({ name, exposure, streams }, context) ?? [])) },
    }))
    const configuration = create(RouteConfigurationSchema, { name: exposure, virtualHosts: [{ name: 'platform', domains: ['*'], routes }] })
    return encodeResource(RouteConfigurationSchema, exposure, configuration)
  })
}
