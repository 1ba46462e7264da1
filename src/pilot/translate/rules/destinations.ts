import { RouteAction_ClusterNotFoundResponseCode as NotFound } from '../../../common/proto/gen/envoy/config/route/v3/route_components_pb.js'
import type { HttpRoute } from '../../../mesh/istio/types.ts'
import { nowhere } from '../../rules/rule-host.ts'
import type { RuleFeature } from './feature.ts'
import { hashPolicy } from '../hashing.ts'
import { authorityOf, headerLists } from './header-operations.ts'

/**
 * Where a rule sends to: one cluster, or several by weight. Istio: VirtualService http[].route. Where the destinations choose instances by
 * a hash, the split goes by the same, so that it sticks to a visitor.
 */
export const destinations: RuleFeature = {
  action({ targets: [first, ...others] }) {
    if (first && others.length === 0)
      return { clusterSpecifier: { case: 'cluster', value: first.cluster }, clusterNotFoundResponseCode: NotFound.NOT_FOUND }
    const hash = first?.policy?.loadBalancer?.consistentHash
    const clusters = (first ? [first, ...others] : [{ cluster: nowhere, weight: 1, headers: undefined }]).map(
      ({ cluster, weight, headers }) => ({ name: cluster, weight, ...headerLists(headers), ...authority(headers) }),
    )
    return {
      clusterSpecifier: {
        case: 'weightedClusters',
        value: { clusters, ...(hash ? { randomValueSpecifier: { case: 'useHashPolicy', value: { value: true } } } : {}) },
      },
      ...(hash ? { hashPolicy: [hashPolicy(hash)] } : {}),
      clusterNotFoundResponseCode: NotFound.NOT_FOUND,
    }
  },
}

function authority(headers: HttpRoute['headers']) {
  const value = authorityOf(headers)
  return value === undefined ? {} : { hostRewriteSpecifier: { case: 'hostRewriteLiteral' as const, value } }
}
