import type { Any } from '@bufbuild/protobuf/wkt'
import type { HttpFilter as HttpFilterMessage } from '../../../common/proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js'
import { RouterSchema } from '../../../common/proto/gen/envoy/extensions/filters/http/router/v3/router_pb.js'
import { Unsupported, requireSupported, unpack } from '../resources/support.ts'
import { HttpFilterSchema } from '../../../common/proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js'
import type { FilterType, HttpFilter } from './filter.ts'
import { headerMutation } from './header-mutation.ts'
import { b3TraceHeaders, w3cTraceHeaders } from './trace-headers.ts'
import { namedInstances } from './named-instances.ts'
import { stickySessions } from './sticky-sessions.ts'
import { upstreamCodec } from './upstream-codec.ts'

/** Every kind of filter that this engine knows, beside the router itself, which ends each chain. */
export const filterTypes: FilterType[] = [headerMutation, upstreamCodec, b3TraceHeaders, w3cTraceHeaders, namedInstances, stickySessions]

const byName = new Map(filterTypes.map((type) => [type.name, type]))
const routerName = 'envoy.filters.http.router'

/** The compiled chain of a connection manager: filters in order, and those that each try goes through. */
export interface FilterChain {
  filters: HttpFilter[]
  upstream: HttpFilter[]
}

/** Compiles `http_filters`, whose last must be the router. Throws `Unsupported`. */
export function compileChain(messages: HttpFilterMessage[]): FilterChain {
  const router = messages.at(-1)
  if (router?.name !== routerName) throw new Unsupported('http_filters', `must end with ${routerName}`)
  const { upstreamHttpFilters } = unpack(RouterSchema, router.configType.value as Any, {
    dynamic_stats: true, suppress_envoy_headers: true, upstream_http_filters: true,
  }, 'http_filters.router')
  return { filters: messages.slice(0, -1).map(compileFilter), upstream: upstreamHttpFilters.map(compileFilter) }
}

function compileFilter(message: HttpFilterMessage, index: number): HttpFilter {
  const path = `http_filters[${index}]`
  requireSupported(HttpFilterSchema, message, { name: true, typed_config: true, is_optional: true, disabled: true }, `${path}.`)
  const type = byName.get(message.name)
  // Off but where a route says something to it, which is refused there as long as this engine does not know the filter.
  if (!type && message.isOptional && message.disabled) return {}
  if (!type) throw new Unsupported(`${path}.name`, `${message.name} is not supported by the embedded engine`)
  return type.compile(message.configType.value as Any | undefined, path)
}

/** Compiles the settings that a route or virtual host has for filters, by the filter's name. Throws `Unsupported`. */
export function compilePerRoute(configs: Record<string, Any>, path: string): Map<string, unknown> {
  return new Map(Object.entries(configs).map(([name, config]) => {
    const compile = byName.get(name)?.perRoute
    if (!compile) throw new Unsupported(`${path}[${name}]`)
    return [name, compile(config, `${path}[${name}]`)]
  }))
}
