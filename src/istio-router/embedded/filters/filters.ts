import type { Any } from '@bufbuild/protobuf/wkt'
import type { HttpFilter as HttpFilterMessage } from '../../../common/proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js'
import { RouterSchema } from '../../../common/proto/gen/envoy/extensions/filters/http/router/v3/router_pb.js'
import { Unsupported, requireSupported, unpack } from '../resources/support.ts'
import { HttpFilterSchema } from '../../../common/proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js'
import type { FilterType, HttpFilter } from './filter.ts'
import { cors } from './cors.ts'
import { fault } from './fault.ts'
import { headerMutation } from './header-mutation.ts'
import { b3TraceHeaders, w3cTraceHeaders } from './trace-headers.ts'
import { namedInstances } from './named-instances.ts'
import { stickySessions } from './sticky-sessions.ts'
import { upstreamCodec } from './upstream-codec.ts'

/** Every kind of filter that this engine knows, beside the router itself, which ends each chain. */
export const filterTypes: FilterType[] = [headerMutation, upstreamCodec, b3TraceHeaders, w3cTraceHeaders, namedInstances, stickySessions, cors, fault]

const byName = new Map(filterTypes.map((type) => [type.name, type]))
const routerName = 'envoy.filters.http.router'

/** The compiled chain of a connection manager. */
export interface FilterChain {
  /** What every request passes, in order, before its route is looked for. */
  filters: HttpFilter[]
  /** Names of the filters that are on only where a route says something to them, in order; they follow the others. */
  onDemand: string[]
  /** What each try passes. */
  upstream: HttpFilter[]
}

/** Compiles `http_filters`, whose last must be the router. Throws `Unsupported`. */
export function compileChain(messages: HttpFilterMessage[]): FilterChain {
  const router = messages.at(-1)
  if (router?.name !== routerName) throw new Unsupported('http_filters', `must end with ${routerName}`)
  const { upstreamHttpFilters } = unpack(RouterSchema, router.configType.value as Any, {
    dynamic_stats: true, suppress_envoy_headers: true, upstream_http_filters: true,
  }, 'http_filters.router')
  const [onDemand, always] = [messages.slice(0, -1).filter(({ disabled }) => disabled), messages.slice(0, -1).filter(({ disabled }) => !disabled)]
  return { filters: always.flatMap(compileFilter), onDemand: onDemand.map(({ name }) => name), upstream: upstreamHttpFilters.flatMap(compileFilter) }
}

function compileFilter(message: HttpFilterMessage, index: number): HttpFilter[] {
  const path = `http_filters[${index}]`
  requireSupported(HttpFilterSchema, message, { name: true, typed_config: true, is_optional: true }, `${path}.`)
  const type = byName.get(message.name)
  if (!type && message.isOptional) return []
  if (!type) throw new Unsupported(`${path}.name`, `${message.name} is not supported by the embedded engine`)
  return [type.compile(message.configType.value as Any | undefined, path)]
}

/** Compiles what a route or virtual host says to filters, by the filters' names; undefined where it says nothing. Throws `Unsupported`. */
export function compilePerRoute(configs: Record<string, Any>, path: string): Map<string, HttpFilter> | undefined {
  const entries = Object.entries(configs)
  if (entries.length === 0) return undefined
  return new Map(entries.map(([name, config]) => {
    const compile = byName.get(name)?.perRoute
    if (!compile) throw new Unsupported(`${path}[${name}]`)
    return [name, compile(config, `${path}[${name}]`)]
  }))
}

/** The filters that a route has switched on, in the order of the chain. */
export function filtersOf({ onDemand }: FilterChain, filters: ReadonlyMap<string, HttpFilter>): HttpFilter[] {
  return onDemand.flatMap((name) => filters.get(name) ?? [])
}
