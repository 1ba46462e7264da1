import { isIP } from 'node:net'
import { create, toBinary } from '@bufbuild/protobuf'
import { Cluster_DiscoveryType, Cluster_DnsLookupFamily, ClusterSchema } from '../../common/proto/gen/envoy/config/cluster/v3/cluster_pb.js'
import { encodedResource, typeUrls, type Resource } from '../../common/xds/resources.ts'
import type { RuleCluster } from '../rules/clusters.ts'
import { portOf } from '../rules/services.ts'
import { together, type Context } from './feature.ts'
import { features } from './features.ts'
import { socketAddress } from './proto.ts'
import { upstreamTls } from './upstream-tls.ts'

type EntryCluster = Extract<RuleCluster, { kind: 'entry' }>

const kinds = { STATIC: Cluster_DiscoveryType.STATIC, DNS: Cluster_DiscoveryType.STRICT_DNS, DNS_ROUND_ROBIN: Cluster_DiscoveryType.LOGICAL_DNS } as const

/** The cluster of an external host: its endpoints by address, or found by DNS. The instances' identity check has no part in it. */
export function entryCluster({ name, policy, service, subset, port }: EntryCluster, context: Context): Resource {
  const { entry, host } = service
  const servicePort = portOf(entry, port)
  const given = (entry.spec.endpoints ?? []).filter(({ labels }) => Object.entries(subset).every(([label, value]) => labels?.[label] === value))
  const resolution = entry.spec.resolution ?? 'NONE'
  const endpoints = given.length || resolution === 'STATIC' ? given : [{ address: host }]
  const protocol = ['HTTP2', 'GRPC'].includes(servicePort?.protocol?.toUpperCase() ?? '') ? 'http2' : 'http1'
  const lbEndpoints = endpoints.flatMap((endpoint) => {
    const number = ('ports' in endpoint ? endpoint.ports?.[servicePort?.name ?? ''] : undefined) ?? servicePort?.targetPort ?? servicePort?.number
    if (endpoint.address === undefined || number === undefined || (resolution === 'STATIC' && !isIP(endpoint.address))) return []
    const weight = 'weight' in endpoint && endpoint.weight ? { loadBalancingWeight: endpoint.weight } : {}
    return [{ hostIdentifier: { case: 'endpoint' as const, value: { hostname: endpoint.address, address: socketAddress(endpoint.address, number) } }, ...weight }]
  })
  const base = {
    name,
    clusterDiscoveryType: { case: 'type' as const, value: kinds[resolution as keyof typeof kinds] ?? Cluster_DiscoveryType.STATIC },
    dnsLookupFamily: Cluster_DnsLookupFamily.V4_PREFERRED,
    loadAssignment: { clusterName: name, endpoints: lbEndpoints.length ? [{ lbEndpoints }] : [] },
    metadata: { filterMetadata: { mesh: { space: service.space } } },
  }
  const own = features.filter((feature) => feature !== upstreamTls)
  const fields = own.flatMap((feature) => feature.cluster?.({ protocol, loadBalancing: context.settings.loadBalancing, policy }, context) ?? [])
  return encodedResource(typeUrls.cluster, name, toBinary(ClusterSchema, create(ClusterSchema, together([base, ...fields]))))
}
