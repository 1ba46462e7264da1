import type { Resource } from '../../common/xds/resources.ts'
import type { Server } from '../../mesh/serving.ts'
import type { Context } from './feature.ts'
import { assignmentOf } from './lb-endpoints.ts'
import { localitySetting, placedAssignment } from './localities.ts'
import type { RouteTraits } from './traits.ts'
import { endpointWeights } from './weights.ts'

interface EndpointsContext extends Context {
  labelsOf: (app: string) => Record<string, string> | undefined
}

/**
 * The instances that serve a route; none when all of its apps are stopped, which is answered 503. Zones are in it only where a policy needs
 * them.
 */
export function endpointsOf(
  { key, route, app, policy }: RouteTraits,
  servers: Server[],
  { settings: { region }, labelsOf }: EndpointsContext,
): Resource {
  const { weights } = endpointWeights(route.destinations, servers)
  const processes = processesOf(servers)
  const endpoints = servers.map((server, position) => ({
    name: server.guid,
    address: server.address,
    port: server.port,
    weight: weights?.[position],
    mesh: { i: String(server.index), a: app === undefined ? server.app : undefined, p: processes.of(server) },
  }))
  const zones = localitySetting(policy)
  if (zones) {
    const placed = servers.map((server, position) => ({
      locality: { region, zone: server.zone, subZone: '' },
      labels: labelsOf(server.app) ?? {},
      endpoint: endpoints[position]!,
    }))
    return placedAssignment(key, processes.all, placed, zones, region)
  }
  return assignmentOf(key, endpoints.length ? [{ endpoints }] : [], processes.all)
}

/**
 * The processes' guids in Cloud Controller, for the agent, which looks for instances by them: nothing where it is the app's, as of an
 * app's first process. One for all stands where Envoy does not look (0.7 KB a cluster, of 2.2 KB an endpoint as metadata); endpoints
 * have their own only where a deployment runs two.
 */
function processesOf(servers: Server[]): { all: string[]; of: (server: Server) => string | undefined } {
  if (servers.every(isOfApp)) return { all: [], of: () => undefined }
  // Diego's guid of a process has its version behind it.
  const guids = new Set(servers.filter((server) => !isOfApp(server)).map(({ process }) => process.slice(0, 36)))
  const [guid = ''] = guids
  if (guids.size === 1 && servers.every(({ process }) => process.startsWith(guid))) return { all: [guid], of: () => undefined }
  return { all: [], of: (server) => (isOfApp(server) ? undefined : server.process.slice(0, 36)) }
}

const isOfApp = ({ process, app }: Server): boolean => process.startsWith(app)
