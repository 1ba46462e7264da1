import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { ScopedRouteConfigurationSchema } from '../../common/proto/gen/envoy/config/route/v3/scoped_route_pb.js'
import { LuaSchema } from '../../common/proto/gen/envoy/extensions/filters/http/lua/v3/lua_pb.js'
import type { HttpConnectionManagerSchema } from '../../common/proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js'
import { encodeResource, type Resource } from '../../common/xds/resources.ts'
import { bucketOf, buckets } from '../../mesh/bucket.ts'
import type { Exposure } from '../../mesh/records.ts'
import type { Feature, FilterInit } from './feature.ts'
import { ads, packed } from './proto.ts'
import type { TranslationSettings } from './settings.ts'

type RouteSpecifier = NonNullable<Extract<MessageInitShape<typeof HttpConnectionManagerSchema>, { $typeName?: never }>['routeSpecifier']>

/** How hosts with rules are spread over route configurations: few and large, or many and small. */
interface RoutingShape {
  /** The names of an exposure's route configurations. */
  configurations(exposure: Exposure): string[]
  /** Those in which the virtual host of a host with rules stands. */
  configurationsOf(exposure: Exposure, host: string): string[]
  /** How a listener finds the one for a request. */
  specifier(exposure: Exposure): RouteSpecifier
  filter?(exposure: Exposure): FilterInit
  /** Resources that lead a request to its route configuration. */
  scopes(exposure: Exposure): Resource[]
  /** Whether the route, and with it which filters of rules are on, is known before the first filter runs. */
  routedFirst: boolean
}

/** All in one: no cost a request, but Envoy reads all of it at every change of a rule. */
const rds: RoutingShape = {
  configurations: (exposure) => [exposure],
  configurationsOf: (exposure) => [exposure],
  specifier: (exposure) => ({ case: 'rds', value: { routeConfigName: exposure, configSource: ads } }),
  scopes: () => [],
  routedFirst: true,
}

const all = [...Array(buckets).keys()]
const bucketHeader = 'x-mesh-bucket'

/** Scoped routes by a hash of the host: a change is read at the size of a bucket. A wildcard host stands in every one. */
const inBuckets: RoutingShape = {
  configurations: (exposure) => all.map((bucket) => `${exposure}/${bucket}`),
  configurationsOf: (exposure, host) => (host.startsWith('*') ? inBuckets.configurations(exposure) : [`${exposure}/${bucketOf(host)}`]),
  specifier: () => ({
    case: 'scopedRoutes',
    value: {
      name: 'mesh.buckets',
      scopeKeyBuilder: {
        fragments: [{ type: { case: 'headerValueExtractor', value: { name: bucketHeader, extractType: { case: 'index', value: 0 } } } }],
      },
      rdsConfigSource: ads,
      configSpecifier: { case: 'scopedRds', value: { scopedRdsConfigSource: ads } },
    },
  }),
  filter: (exposure) => ({
    name: `mesh.routing-bucket/${exposure}`,
    configType: {
      case: 'typedConfig',
      value: packed(LuaSchema, { defaultSourceCode: { specifier: { case: 'inlineString', value: lua(exposure) } } }),
    },
  }),
  scopes: (exposure) =>
    inBuckets.configurations(exposure).map((name) => {
      const key = { fragments: [{ type: { case: 'stringKey' as const, value: name } }] }
      return encodeResource(
        ScopedRouteConfigurationSchema,
        name,
        create(ScopedRouteConfigurationSchema, { name, routeConfigurationName: name, key }),
      )
    }),
  routedFirst: false,
}

/** `bucketOf` of the normal host, with the exposure before it, in place of whatever a client sent. */
const lua = (exposure: Exposure): string => `function envoy_on_request(handle)
  local headers = handle:headers()
  local host = (headers:get(":authority") or ""):lower():gsub(":%d*$", ""):gsub("%.$", "")
  local hash = 0
  for i = 1, #host do hash = (hash * 31 + host:byte(i)) % 65521 end
  headers:replace("${bucketHeader}", "${exposure}/" .. hash % ${buckets})
end
`

const shapes: Record<TranslationSettings['routingShape'], RoutingShape> = { rds, buckets: inBuckets }

export const shapeOf = ({ routingShape }: TranslationSettings): RoutingShape => shapes[routingShape]

/** Leads each request to the route configuration in which its host stands. */
export const routingShape: Feature = {
  manager: ({ listener, settings }) => ({ routeSpecifier: shapeOf(settings).specifier(listener.exposure) }),
  filter: ({ listener, settings }) => shapeOf(settings).filter?.(listener.exposure),
}

/** What routers need to find route configurations, for listeners of these exposures. */
export const scopesFor = (exposuresInUse: Iterable<Exposure>, settings: TranslationSettings): Resource[] =>
  [...new Set(exposuresInUse)].flatMap((exposure) => shapeOf(settings).scopes(exposure))
