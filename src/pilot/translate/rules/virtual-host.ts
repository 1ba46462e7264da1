import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf'
import {
  RouteAction_ClusterNotFoundResponseCode as NotFound,
  VirtualHostSchema,
  type RouteSchema,
} from '../../../common/proto/gen/envoy/config/route/v3/route_components_pb.js'
import type { HttpRule, RuleHost, Scope } from '../../rules/rule-host.ts'
import { together, type Context } from '../feature.ts'
import { constantRoutes, domainsOf } from '../route-configuration.ts'
import { gateRoutes } from './gate.ts'
import { filterOf, type MatchContext, type MatchInit, type RouteInit } from './feature.ts'
import { ruleFeatures } from './features.ts'

type Routes = MessageInitShape<typeof RouteSchema>[]

/** The virtual host of a host with rules, encoded. */
export function virtualHostOf(rules: RuleHost, context: Context): Uint8Array {
  const { exposure, host, scopes } = rules
  const routes: Routes = scopes.flatMap((scope): Routes => [
    ...gateRoutes(scope.gate, scope.path),
    ...(scope.rules ? ruledRoutes(scope, scope.rules, context) : constantRoutes(exposure, context, { cluster: scope.cluster }, scope.path)),
  ])
  const { settings } = context
  const typedPerFilterConfig = Object.fromEntries(
    ruleFeatures.flatMap((feature) => {
      const config = feature.perHost?.(rules, settings)
      const filter = config && filterOf(feature, settings)
      return filter ? [[filter.name, config]] : []
    }),
  )
  const fields = together(ruleFeatures.flatMap((feature) => feature.host?.(rules, settings) ?? []))
  return toBinary(
    VirtualHostSchema,
    create(VirtualHostSchema, { name: host, domains: domainsOf([host]), routes, typedPerFilterConfig, ...fields }),
  )
}

function ruledRoutes({ path }: Scope, rules: HttpRule[], context: Context): Routes {
  const routes: Routes = rules.flatMap((rule) => routesOf(rule, context))
  // What no rule is for is nobody's, though a shorter path may have a route.
  return path === '' ? routes : [...routes, unanswered(path)]
}

/** The name of no cluster, so that the answer is 404. */
const none = 'rule/none'

const unanswered = (path: string): Routes[number] => ({
  name: 'none',
  match: { pathSpecifier: { case: 'pathSeparatedPrefix', value: path } },
  action: { case: 'route', value: { clusterSpecifier: { case: 'cluster', value: none }, clusterNotFoundResponseCode: NotFound.NOT_FOUND } },
})

/** A rule's routes, one for each of its matches. */
function routesOf(rule: HttpRule, { settings }: Context): Routes {
  const answer = ruleFeatures.flatMap((feature) => feature.answer?.(rule) ?? [])[0]
  const action: RouteInit['action'] = answer ?? {
    case: 'route',
    value: together(ruleFeatures.flatMap((feature) => feature.action?.(rule, settings) ?? [])),
  }
  const typedPerFilterConfig = Object.fromEntries(
    ruleFeatures.flatMap((feature) => {
      const config = feature.perRoute?.(rule)
      const filter = config && filterOf(feature, settings)
      return filter ? [[filter.name, config]] : []
    }),
  )
  const fields = together(ruleFeatures.flatMap((feature) => feature.route?.(rule) ?? []))
  return rule.matches.map(({ match, binding, callers }) => ({
    name: rule.name,
    match: matchOf({ match: match ?? {}, binding, callers, path: rule.path }),
    action,
    typedPerFilterConfig,
    ...fields,
  }))
}

function matchOf(context: MatchContext): MatchInit {
  const parts = ruleFeatures.flatMap((feature) => feature.match?.(context) ?? [])
  return { ...together(parts.map(({ headers: _headers, ...fields }) => fields)), headers: parts.flatMap(({ headers = [] }) => headers) }
}
