import { anyIs, type Any } from '@bufbuild/protobuf/wkt'
import { FilterConfigSchema } from '../../../common/proto/gen/envoy/config/route/v3/route_components_pb.js'
import type { HttpFilter as HttpFilterMessage } from '../../../common/proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js'
import { RouterSchema } from '../../../common/proto/gen/envoy/extensions/filters/http/router/v3/router_pb.js'
import { Unsupported, requireSupported, unpack } from '../resources/support.ts'
import { HttpFilterSchema } from '../../../common/proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js'
import type { FilterType, HttpFilter } from './filter.ts'
import { cors } from './cors.ts'
import { fault } from './fault.ts'
import { headerMutation } from './header-mutation.ts'
import { b3TraceHeaders, clientTraceHeaders, plainTraceHeaders, w3cTraceHeaders } from './trace-headers.ts'
import { namedInstances } from './named-instances.ts'
import { localRateLimit } from './local-rate-limit.ts'
import { routingBucket } from './routing-bucket.ts'
import { stickySessions } from './sticky-sessions.ts'
import { upstreamCodec } from './upstream-codec.ts'
import { websocketKey } from './websocket-key.ts'

/** Every kind of filter that this engine knows, beside the router itself, which ends each chain. */
export const filterTypes: FilterType[] = [
  headerMutation,
  upstreamCodec,
  websocketKey,
  clientTraceHeaders,
  b3TraceHeaders,
  w3cTraceHeaders,
  plainTraceHeaders,
  routingBucket,
  namedInstances,
  stickySessions,
  cors,
  fault,
  localRateLimit,
]

const byName = new Map(filterTypes.map((type) => [type.name, type]))
/** A filter's kind; what stands behind a slash in its name is its own matter. */
const typeOf = (name: string): FilterType | undefined => byName.get(name.split('/', 1)[0]!)

const routerName = 'envoy.filters.http.router'

/** The compiled chain of a connection manager. */
export interface FilterChain {
  /** What every request passes, in order, before its route is looked for. */
  filters: HttpFilter[]
  /** Names of the filters to which a route can say something, in order; what it says follows the others. */
  onDemand: string[]
  /** What each try passes. */
  upstream: HttpFilter[]
}

/** Compiles `http_filters`, whose last must be the router. Throws `Unsupported`. */
export function compileChain(messages: HttpFilterMessage[]): FilterChain {
  const router = messages.at(-1)
  if (router?.name !== routerName) throw new Unsupported('http_filters', `must end with ${routerName}`)
  const { upstreamHttpFilters } = unpack(
    RouterSchema,
    router.configType.value as Any,
    {
      dynamic_stats: true,
      suppress_envoy_headers: true,
      upstream_http_filters: true,
    },
    'http_filters.router',
  )
  const own = messages.slice(0, -1)
  return {
    filters: own.filter(({ disabled }) => !disabled).flatMap(compileFilter),
    onDemand: own.map(({ name }) => name).filter((name) => typeOf(name)?.perRoute),
    upstream: upstreamHttpFilters.flatMap(compileFilter),
  }
}

function compileFilter(message: HttpFilterMessage, index: number): HttpFilter[] {
  const path = `http_filters[${index}]`
  requireSupported(HttpFilterSchema, message, { name: true, typed_config: true, is_optional: true }, `${path}.`)
  const type = typeOf(message.name)
  if (!type && message.isOptional) return []
  if (!type) throw new Unsupported(`${path}.name`, `${message.name} is not supported by the embedded engine`)
  return [type.compile(message.configType.value as Any | undefined, path, message.name)]
}

/** Compiles what a route or virtual host says to filters, by the filters' names; undefined where it says nothing. Throws `Unsupported`. */
export function compilePerRoute(configs: Record<string, Any>, path: string): Map<string, HttpFilter> | undefined {
  const entries = Object.entries(configs).filter(([name, config]) => {
    const type = typeOf(name)
    return !type?.elsewhere && !(type?.onlyWhere && isOff(config, `${path}[${name}]`))
  })
  if (entries.length === 0) return undefined
  return new Map(
    entries.map(([name, config]) => {
      const compile = typeOf(name)?.perRoute
      if (!compile) throw new Unsupported(`${path}[${name}]`)
      return [name, compile(config, `${path}[${name}]`)]
    }),
  )
}

const isOff = (config: Any, path: string): boolean =>
  anyIs(config, FilterConfigSchema) && unpack(FilterConfigSchema, config, { disabled: true }, path).disabled

/** The filters that a route has switched on, in the order of the chain. */
export function filtersOf({ onDemand }: FilterChain, filters: ReadonlyMap<string, HttpFilter>): HttpFilter[] {
  return onDemand.flatMap((name) => filters.get(name) ?? [])
}
