import type { RequestListener } from 'node:http'
import { fromBinary } from '@bufbuild/protobuf'
import { ClusterSchema } from '../../common/proto/gen/envoy/config/cluster/v3/cluster_pb.js'
import { ClusterLoadAssignmentSchema } from '../../common/proto/gen/envoy/config/endpoint/v3/endpoint_pb.js'
import { typeUrls, type Resource } from '../../common/xds/resources.ts'
import { normalizeHost } from '../../mesh/host.ts'
import { findRoute } from '../../mesh/matching.ts'
import { instanceOf, readNamedInstance, type Instance, type Refusal } from '../../mesh/named-instance.ts'
import { splitTarget } from '../../mesh/path.ts'
import type { Exposure } from '../../mesh/records.ts'

type Resources = (typeUrl: string, name: string) => Resource | undefined

interface Answer {
  status: number
  /** The address of the instance, or what the client is told. */
  body: string
  error?: string
  /** With an address: what the client is told where the cluster that is chosen for the request does not have it. */
  missing?: string
}

const nothing: Answer = { status: 404, body: '' }
const refused = ({ error, body }: Refusal): Answer => ({ status: 400, body, error })

/**
 * Tells Envoy where an instance is that a request names (src/pilot/translate/named-instances.ts). Envoy cannot choose an endpoint by its
 * name without an index of 10 KB an endpoint; here it is looked up in what Envoy was given, when it is asked for.
 */
export const instances =
  (resources: Resources): RequestListener =>
  ({ headers }, response) => {
    const { status, body, error, missing } = find(resources, (name) => String(headers[name] ?? ''))
    response
      .writeHead(status, { ...(error && { 'x-cf-routererror': error }), ...(missing && { 'x-missing': missing.trimEnd() }) })
      .end(body)
  }

function find(resources: Resources, read: (name: string) => string): Answer {
  const host = read('x-host')
  const key = findRoute(
    read('x-exposure') as Exposure,
    normalizeHost(host),
    splitTarget(read('x-path')).path,
    (key) => resources(typeUrls.cluster, key) !== undefined,
  )
  const session = read('x-session')
  if (session) return address(resources, key, ({ guid }, { session: sticky }) => sticky !== undefined && guid === session) ?? nothing
  const named = readNamedInstance(read('x-app-instance'), read('x-process-instance'))
  if (!named) return nothing
  if ('error' in named) return refused(named)
  const [found, missing] = [address(resources, key, named.matches), named.missing(host)]
  return found ? { ...found, missing: missing.body } : refused(missing)
}

/** The address of an instance of the route's that is `wanted`; of several any one. */
function address(
  resources: Resources,
  key: string | undefined,
  wanted: (instance: Instance, cluster: Record<string, unknown>) => boolean,
): Answer | undefined {
  const [cluster, assignment] = [typeUrls.cluster, typeUrls.endpoint].map((typeUrl) =>
    key === undefined ? undefined : resources(typeUrl, key),
  )
  if (!cluster || !assignment) return undefined
  const mesh = fromBinary(ClusterSchema, cluster.any.value).metadata?.filterMetadata['mesh'] ?? {}
  const { endpoints, namedEndpoints } = fromBinary(ClusterLoadAssignmentSchema, assignment.any.value)
  const [p = null] = Object.keys(namedEndpoints)
  const found = endpoints.flatMap(({ lbEndpoints }) =>
    lbEndpoints.flatMap(({ hostIdentifier, metadata }) => {
      if (
        hostIdentifier.case !== 'endpoint' ||
        !wanted(instanceOf(hostIdentifier.value.hostname, { p, ...metadata?.filterMetadata['mesh'] }, mesh), mesh)
      )
        return []
      const socket = hostIdentifier.value.address?.address
      return socket?.case === 'socketAddress' ? [socket.value] : []
    }),
  )
  const chosen = found[Math.floor(Math.random() * found.length)]
  if (!chosen) return undefined
  const { address: host, portSpecifier } = chosen
  return { status: 200, body: `${host.includes(':') ? `[${host}]` : host}:${portSpecifier.value}` }
}
