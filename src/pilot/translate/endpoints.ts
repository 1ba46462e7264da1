import { create } from '@bufbuild/protobuf'
import { ClusterLoadAssignmentSchema } from '../../common/proto/gen/envoy/config/endpoint/v3/endpoint_pb.js'
import { encodeResource, type Resource } from '../../common/xds/resources.ts'
import type { Server } from '../model/serving.ts'
import type { RouteTraits } from './traits.ts'
import { socketAddress } from './proto.ts'
import { endpointWeights } from './weights.ts'

/** The instances that serve a route; none when all of its apps are stopped, which is answered 503. */
export function endpointsOf({ key, route, app }: RouteTraits, servers: Server[]): Resource {
  const { weights } = endpointWeights(route.destinations, servers)
  const lbEndpoints = servers.map((server, position) => ({
    hostIdentifier: {
      case: 'endpoint' as const,
      value: {
        hostname: server.guid,
        address: socketAddress(server.address, server.port),
      },
    },
    ...(weights ? { loadBalancingWeight: weights[position]! } : {}),
    metadata: { filterMetadata: { mesh: { i: String(server.index), ...(app === undefined ? { a: server.app } : {}), ...processOf(server) } } },
  }))
  const assignment = create(ClusterLoadAssignmentSchema, { clusterName: key, endpoints: lbEndpoints.length ? [{ lbEndpoints }] : [] })
  return encodeResource(ClusterLoadAssignmentSchema, key, assignment)
}

/** The process's guid in Cloud Controller, without the version that Diego's has behind it; absent where it is the app's, as of an app's first process. */
function processOf({ process, app }: Server): { p?: string } {
  const guid = process.slice(0, 36)
  return guid === app ? {} : { p: guid }
}
