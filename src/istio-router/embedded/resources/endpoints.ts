import { fromBinary, type JsonObject } from '@bufbuild/protobuf'
import { HealthStatus } from '../../../common/proto/gen/envoy/config/core/v3/health_check_pb.js'
import { ClusterLoadAssignmentSchema, type ClusterLoadAssignment } from '../../../common/proto/gen/envoy/config/endpoint/v3/endpoint_pb.js'
import { Unsupported, requireSupported, type Supported } from './support.ts'

/** One address that requests can go to. */
export interface EndpointConfig {
  address: string
  port: number
  /** Instance guid, which is also the name its certificate bears; empty where there is none. */
  hostname: string
  weight: number
  metadata: Record<string, JsonObject>
  priority: number
  /** Region, zone and sub-zone, joined by `/`. */
  locality: string
  /** Share of its locality among those of its priority. */
  localityWeight: number
}

const supported: Supported = {
  cluster_name: true,
  named_endpoints: true,
  endpoints: {
    locality: true,
    load_balancing_weight: true,
    priority: true,
    lb_endpoints: {
      endpoint: { address: { socket_address: { address: true, port_value: true, protocol: true } }, hostname: true },
      health_status: true,
      metadata: true,
      load_balancing_weight: true,
    },
  },
  policy: { overprovisioning_factor: true },
}

/** Decodes an `envoy.config.endpoint.v3.ClusterLoadAssignment`. Throws `Unsupported`. */
export function decodeEndpoints(bytes: Uint8Array): EndpointConfig[] {
  return compileEndpoints(fromBinary(ClusterLoadAssignmentSchema, bytes), '')
}

/** The usable endpoints of `assignment`; an address that stands twice counts once. Throws `Unsupported`. */
export function compileEndpoints(assignment: ClusterLoadAssignment, path: string): EndpointConfig[] {
  requireSupported(ClusterLoadAssignmentSchema, assignment, supported, path)
  const endpoints = new Map<string, EndpointConfig>()
  const [process] = Object.keys(assignment.namedEndpoints)
  for (const { locality: place, priority, loadBalancingWeight: localityWeight = 1, lbEndpoints } of assignment.endpoints) {
    const locality = [place?.region, place?.zone, place?.subZone].filter(Boolean).join('/')
    for (const { hostIdentifier, healthStatus, metadata, loadBalancingWeight } of lbEndpoints) {
      if (hostIdentifier.case !== 'endpoint') throw new Unsupported(`${path}endpoint_name`)
      const { address: holder, hostname } = hostIdentifier.value
      const socket = holder?.address
      if (socket?.case !== 'socketAddress' || socket.value.portSpecifier.case !== 'portValue')
        throw new Unsupported(`${path}address`, 'must be a socket address with a port')
      if (healthStatus !== HealthStatus.UNKNOWN && healthStatus !== HealthStatus.HEALTHY && healthStatus !== HealthStatus.DEGRADED) continue
      const { address, portSpecifier } = socket.value
      const key = `${address}:${portSpecifier.value}`
      if (endpoints.has(key)) continue
      endpoints.set(key, {
        address,
        port: portSpecifier.value,
        hostname,
        weight: loadBalancingWeight ?? 1,
        metadata: withProcess(metadata?.filterMetadata ?? none, process),
        priority,
        locality,
        localityWeight,
      })
    }
  }
  return [...endpoints.values()]
}

const none: Record<string, JsonObject> = {}

/** The metadata with the process that all endpoints of an assignment are of. */
function withProcess(metadata: Record<string, JsonObject>, process: string | undefined): Record<string, JsonObject> {
  return process === undefined ? metadata : { ...metadata, mesh: { p: process, ...metadata['mesh'] } }
}
