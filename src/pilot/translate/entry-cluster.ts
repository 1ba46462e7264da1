import { create, toBinary } from '@bufbuild/protobuf'
import { Cluster_DiscoveryType, ClusterSchema } from '../../common/proto/gen/envoy/config/cluster/v3/cluster_pb.js'
import { encodedResource, typeUrls, type Resource } from '../../common/xds/resources.ts'
import { readLocality } from '../../mesh/locality.ts'
import type { RuleCluster } from '../rules/clusters.ts'
import type { ClientCredentials } from '../rules/client-credentials.ts'
import type { External } from '../rules/egress.ts'
import { portOf } from '../rules/services.ts'
import { externalTls } from './external-tls.ts'
import { together, type Context } from './feature.ts'
import { features } from './features.ts'
import { assignmentOf } from './lb-endpoints.ts'
import { localitySetting, placedAssignment } from './localities.ts'
import { edsOverAds } from './proto.ts'
import { protocolOf } from './traits.ts'
import { upstreamTls } from './upstream-tls.ts'

type EntryCluster = Extract<RuleCluster, { kind: 'entry' }>

/** The cluster of an external host and its endpoints. The instances' identity check has no part in it. */
export function entryCluster(
  { name, policy, service, port }: EntryCluster,
  { endpoints }: Pick<External, 'endpoints'>,
  credentials: ClientCredentials,
  context: Context,
): Resource[] {
  const { entry, host } = service
  const asked = portOf(entry, port)?.protocol?.toUpperCase() ?? ''
  const protocol = protocolOf(['HTTP2', 'GRPC'].includes(asked) ? 'http2' : 'http1', policy)
  const base = {
    name,
    clusterDiscoveryType: { case: 'type' as const, value: Cluster_DiscoveryType.EDS },
    edsClusterConfig: { edsConfig: edsOverAds },
    metadata: { filterMetadata: { mesh: { space: service.space } } },
    ...externalTls(policy?.tls, { host, names: entry.spec.subjectAltNames ?? [], protocol, credentials }),
  }
  const own = features.filter((feature) => feature !== upstreamTls)
  const fields = own.flatMap(
    (feature) => feature.cluster?.({ protocol, loadBalancing: context.settings.loadBalancing, policy }, context) ?? [],
  )
  const lbEndpoints = endpoints.map(({ name, address, port, weight }) => ({ name, address, port, weight }))
  const zones = localitySetting(policy)
  const { region } = context.settings
  const assignment = zones
    ? placedAssignment(
        name,
        [],
        endpoints.map(({ locality, labels }, position) => ({
          locality: readLocality(locality ?? ''),
          labels,
          endpoint: lbEndpoints[position]!,
        })),
        zones,
        region,
      )
    : assignmentOf(name, lbEndpoints.length ? [{ endpoints: lbEndpoints }] : [])
  return [encodedResource(typeUrls.cluster, name, toBinary(ClusterSchema, create(ClusterSchema, together([base, ...fields])))), assignment]
}
