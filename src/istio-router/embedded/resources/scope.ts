import { fromBinary } from '@bufbuild/protobuf'
import { ScopedRouteConfigurationSchema } from '../../../common/proto/gen/envoy/config/route/v3/scoped_route_pb.js'
import { Unsupported, requireSupported } from './support.ts'

/** Leads from a key of requests to a RouteConfiguration. */
export interface Scope {
  key: string
  routes: string
}

/** Compiles an `envoy.config.route.v3.ScopedRouteConfiguration`. Throws `Unsupported`. */
export function compileScope(bytes: Uint8Array): Scope {
  const scope = fromBinary(ScopedRouteConfigurationSchema, bytes)
  requireSupported(ScopedRouteConfigurationSchema, scope, {
    name: true,
    route_configuration_name: true,
    key: { fragments: { string_key: true } },
  })
  const [fragment] = scope.key?.fragments ?? []
  if (scope.key?.fragments.length !== 1 || fragment?.type.case !== 'stringKey') throw new Unsupported('key', 'must be one string')
  return { key: fragment.type.value, routes: scope.routeConfigurationName }
}
