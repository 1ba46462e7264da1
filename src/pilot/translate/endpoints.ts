import { create } from '@bufbuild/protobuf'
import { ClusterLoadAssignmentSchema } from '../../common/proto/gen/envoy/config/endpoint/v3/endpoint_pb.js'
import { encodeResource, type Resource } from '../../common/xds/resources.ts'
import type { Server } from '../../mesh/serving.ts'
import type { Context } from './feature.ts'
import { localitySetting, placedAssignment } from './localities.ts'
import type { RouteTraits } from './traits.ts'
import { socketAddress } from './proto.ts'
import { endpointWeights } from './weights.ts'

interface EndpointsContext extends Context {
  labelsOf: (app: string) => Record<string, string> | undefined
}

/** The instances that serve a route; none when all of its apps are stopped, which is answered 503. Zones are in it only where a policy needs them. */
export function endpointsOf({ key, route, app, policy }: RouteTraits, servers: Server[], { settings: { region }, labelsOf }: EndpointsContext): Resource {
  const { weights } = endpointWeights(route.destinations, servers)
  const processes = processesOf(servers)
  const lbEndpoints = servers.map((server, position) => ({
    hostIdentifier: {
      case: 'endpoint' as const,
      value: {
        hostname: server.guid,
        address: socketAddress(server.address, server.port),
      },
    },
    ...(weights ? { loadBalancingWeight: weights[position]! } : {}),
    metadata: { filterMetadata: { mesh: { i: String(server.index), ...(app === undefined ? { a: server.app } : {}), ...processes.of(server) } } },
  }))
  const assignment = { clusterName: key, namedEndpoints: processes.all }
  const zones = localitySetting(policy)
  if (zones) {
    const placed = servers.map((server, position) => ({ locality: { region, zone: server.zone, subZone: '' }, labels: labelsOf(server.app) ?? {}, endpoint: lbEndpoints[position]! }))
    return placedAssignment(key, assignment, placed, zones, region)
  }
  return encodeResource(ClusterLoadAssignmentSchema, key, create(ClusterLoadAssignmentSchema, { ...assignment, endpoints: lbEndpoints.length ? [{ lbEndpoints }] : [] }))
}

/**
 * The processes' guids in Cloud Controller, for the agent, which looks for instances by them: nothing where it is the app's, as of an
 * app's first process. One for all stands where Envoy does not look (0.7 KB a cluster, of 2.2 KB an endpoint as metadata); endpoints
 * have their own only where a deployment runs two.
 */
function processesOf(servers: Server[]): { all: Record<string, object>; of: (server: Server) => { p?: string } } {
  // Diego's guid of a process has its version behind it.
  const guids = new Set(servers.filter(({ process, app }) => !process.startsWith(app)).map(({ process }) => process.slice(0, 36)))
  const [guid] = guids
  if (guid === undefined) return { all: {}, of: () => ({}) }
  if (guids.size === 1 && servers.every(({ process }) => process.startsWith(guid))) return { all: { [guid]: {} }, of: () => ({}) }
  return { all: {}, of: ({ process, app }) => (process.startsWith(app) ? {} : { p: process.slice(0, 36) }) }
}
