import { RouteAction_ClusterNotFoundResponseCode as NotFound } from '../../../common/proto/gen/envoy/config/route/v3/route_components_pb.js'
import { nowhere } from '../../rules/rule-host.ts'
import type { RuleFeature } from './feature.ts'
import { headerLists } from './header-operations.ts'

/** Where a rule sends to: one cluster, or several by weight. Istio: VirtualService http[].route. */
export const destinations: RuleFeature = {
  action: ({ targets: [first, ...others] }) => ({
    clusterSpecifier:
      first && others.length === 0
        ? { case: 'cluster', value: first.cluster }
        : {
            case: 'weightedClusters',
            value: {
              clusters: (first ? [first, ...others] : [{ cluster: nowhere, weight: 1, headers: undefined }]).map(({ cluster, weight, headers }) => ({
                name: cluster,
                weight,
                ...headerLists(headers),
              })),
            },
          },
    clusterNotFoundResponseCode: NotFound.NOT_FOUND,
  }),
}
