import { HttpConnectionManagerSchema } from '../../common/proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js'
import { HeaderMutationSchema as EarlyHeaderMutationSchema } from '../../common/proto/gen/envoy/extensions/http/early_header_mutation/header_mutation/v3/header_mutation_pb.js'
import { RouterSchema } from '../../common/proto/gen/envoy/extensions/filters/http/router/v3/router_pb.js'
import { UpstreamCodecSchema } from '../../common/proto/gen/envoy/extensions/filters/http/upstream_codec/v3/upstream_codec_pb.js'
import { together, type FilterInit, type ListenerContext } from './feature.ts'
import { features } from './features.ts'
import { extension, named, packed } from './proto.ts'
import { shapeOf } from './routing-shape.ts'
import { filterOf } from './rules/feature.ts'
import { ruleFeatures } from './rules/features.ts'

/** What serves HTTP on a filter chain: every feature's part. */
export function connectionManager(context: ListenerContext) {
  const { listener } = context
  const base = {
    statPrefix: listener.name,
    earlyHeaderMutationExtensions: [
      extension('envoy.http.early_header_mutation.header_mutation', EarlyHeaderMutationSchema, {
        mutations: features.flatMap((feature) => feature.early?.(context) ?? []),
      }),
    ],
    httpFilters: [...filters('filter', context), ...ruleFilters(context), routerFilter(context)],
  }
  const manager = packed(HttpConnectionManagerSchema, together([base, ...features.flatMap((feature) => feature.manager?.(context) ?? [])]))
  return named('envoy.filters.network.http_connection_manager', manager)
}

/**
 * Filters of rules are off except where a route says something to them; an engine that has no such filter can do without. Envoy asks
 * the route that it knows when the request begins: where it is not known yet they are on, and do nothing unless the route says something.
 */
function ruleFilters({ settings }: ListenerContext): FilterInit[] {
  const disabled = shapeOf(settings).routedFirst
  return ruleFeatures.flatMap((feature) => {
    const filter = filterOf(feature, settings)
    return filter ? [{ ...named(filter.name, filter.config), disabled, isOptional: true }] : []
  })
}

/** Without the counters that each request would have of its cluster by its answer's status: clusters have no statistics. */
function routerFilter(context: ListenerContext): FilterInit {
  const codec = named('envoy.filters.http.upstream_codec', packed(UpstreamCodecSchema, {}))
  const router = packed(RouterSchema, {
    dynamicStats: false,
    suppressEnvoyHeaders: true,
    upstreamHttpFilters: [...filters('upstreamFilter', context), codec],
  })
  return named('envoy.filters.http.router', router)
}

function filters(kind: 'filter' | 'upstreamFilter', context: ListenerContext): FilterInit[] {
  return features.flatMap((feature) => feature[kind]?.(context) ?? [])
}
