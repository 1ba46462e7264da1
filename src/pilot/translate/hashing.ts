import { Cluster_LbPolicy } from '../../common/proto/gen/envoy/config/cluster/v3/cluster_pb.js'
import type { RouteAction_HashPolicySchema } from '../../common/proto/gen/envoy/config/route/v3/route_components_pb.js'
import { MaglevSchema } from '../../common/proto/gen/envoy/extensions/load_balancing_policies/maglev/v3/maglev_pb.js'
import { RingHashSchema } from '../../common/proto/gen/envoy/extensions/load_balancing_policies/ring_hash/v3/ring_hash_pb.js'
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { Policy } from '../rules/policies.ts'
import type { ClusterInit } from './feature.ts'
import { duration, extension } from './proto.ts'

type Hash = NonNullable<NonNullable<Policy['loadBalancer']>['consistentHash']>

/** Istio's smallest ring. */
const ring = 1024n

/**
 * The instance by a hash of the request: consistent, so that few move when instances come and go. What is hashed is the cluster's
 * matter, so that routes without rules have it too.
 */
export function hashing(
  hash: Hash,
  { balanceFactor, distributed }: { balanceFactor: number | undefined; distributed: boolean },
): ClusterInit {
  const common = {
    consistentHashingLbConfig: {
      hashPolicy: [hashPolicy(hash)],
      ...(balanceFactor === undefined ? {} : { hashBalanceFactor: balanceFactor }),
    },
    ...(distributed ? { localityWeightedLbConfig: {} } : {}),
  }
  const size = hash.ringHash?.minimumRingSize ?? hash.minimumRingSize
  const policy = hash.maglev
    ? extension('envoy.load_balancing_policies.maglev', MaglevSchema, {
        ...common,
        ...(hash.maglev.tableSize ? { tableSize: BigInt(hash.maglev.tableSize) } : {}),
      })
    : extension('envoy.load_balancing_policies.ring_hash', RingHashSchema, {
        ...common,
        minimumRingSize: size === undefined ? ring : BigInt(size),
      })
  return { lbPolicy: Cluster_LbPolicy.LOAD_BALANCING_POLICY_CONFIG, loadBalancingPolicy: { policies: [{ typedExtensionConfig: policy }] } }
}

/** What is hashed. A cookie with a time to live is made for clients without one, which makes a weighted choice stick to a visitor. */
export function hashPolicy({
  httpHeaderName,
  httpCookie,
  httpQueryParameterName,
}: Hash): MessageInitShape<typeof RouteAction_HashPolicySchema> {
  if (httpHeaderName !== undefined) return { policySpecifier: { case: 'header', value: { headerName: httpHeaderName } } }
  if (httpQueryParameterName !== undefined) return { policySpecifier: { case: 'queryParameter', value: { name: httpQueryParameterName } } }
  if (!httpCookie) return { policySpecifier: { case: 'connectionProperties', value: { sourceIp: true } } }
  const { name, path, ttl, attributes = [] } = httpCookie
  return {
    policySpecifier: {
      case: 'cookie',
      value: {
        name,
        ...(path === undefined ? {} : { path }),
        ...(ttl === undefined ? {} : { ttl: duration(ttl) }),
        attributes: attributes.map((attribute) => ({ name: attribute.name, value: attribute.value ?? '' })),
      },
    },
  }
}
