import { fromBinary } from '@bufbuild/protobuf'
import { VirtualHostSchema } from '../../../common/proto/gen/envoy/config/route/v3/route_components_pb.js'
import { RouteConfigurationSchema } from '../../../common/proto/gen/envoy/config/route/v3/route_pb.js'
import { normalizeHost } from '../../../mesh/host.ts'
import type { Exchange } from '../exchange.ts'
import { compilePerRoute } from '../filters/filters.ts'
import { compileHeaderLists } from '../http/mutation.ts'
import { Unsupported, requireSupported } from '../resources/support.ts'
import { compileSpecifier } from './clusters.ts'
import { compileRoute, type Route } from './route.ts'

/**
 * The virtual hosts of one RouteConfiguration. A more specific domain wins: exact, then `*.suffix`, then `prefix.*`, longest first, then
 * `*`.
 */
export class RouteTable {
  readonly #exact = new Map<string, Route[]>()
  readonly #suffixes: [string, Route[]][] = []
  readonly #prefixes: [string, Route[]][] = []
  #any: Route[] = []

  /** Adds a virtual host. Throws `Unsupported` if a domain is there already. */
  add(domains: string[], routes: Route[], at: string): void {
    for (const domain of domains.map((name) => name.toLowerCase())) {
      if (domain === '*') this.#any = routes
      else if (domain.startsWith('*')) this.#suffixes.push([domain.slice(1), routes])
      else if (domain.endsWith('*')) this.#prefixes.push([domain.slice(0, -1), routes])
      else if (this.#exact.has(domain)) throw new Unsupported(`${at}.domains`, `${domain} stands twice`)
      else this.#exact.set(domain, routes)
    }
    for (const list of [this.#suffixes, this.#prefixes]) list.sort(([a], [b]) => b.length - a.length)
  }

  /** The first route that matches, in the virtual host of the request's authority. */
  find(exchange: Exchange): Route | undefined {
    return this.#routesOf(exchange.authority).find((route) => route.matches(exchange))
  }

  #routesOf(authority: string): Route[] {
    if (this.#exact.size === 0 && this.#suffixes.length === 0 && this.#prefixes.length === 0) return this.#any
    const lower = authority.toLowerCase()
    const host = normalizeHost(authority)
    return (
      this.#exact.get(lower) ??
      this.#exact.get(host) ??
      this.#suffixes.find(([suffix]) => host.length > suffix.length && host.endsWith(suffix))?.[1] ??
      this.#prefixes.find(([prefix]) => host.length > prefix.length && host.startsWith(prefix))?.[1] ??
      this.#any
    )
  }
}

/** Compiles an `envoy.config.route.v3.RouteConfiguration`. Throws `Unsupported`. */
export function compileRoutes(bytes: Uint8Array): RouteTable {
  const configuration = fromBinary(RouteConfigurationSchema, bytes)
  requireSupported(RouteConfigurationSchema, configuration, {
    name: true,
    virtual_hosts: true,
    validate_clusters: true,
    ignore_port_in_host_matching: true,
    max_direct_response_body_size_bytes: true,
    cluster_specifier_plugins: { extension: true },
  })
  const specifiers = new Map(
    configuration.clusterSpecifierPlugins.map(({ extension }, index) => [
      extension?.name ?? '',
      compileSpecifier(extension, `cluster_specifier_plugins[${index}]`),
    ]),
  )
  const table = new RouteTable()
  configuration.virtualHosts.forEach((host, index) => {
    const at = `virtual_hosts[${index}]`
    requireSupported(
      VirtualHostSchema,
      host,
      {
        name: true,
        domains: true,
        routes: true,
        metadata: true,
        typed_per_filter_config: true,
        request_headers_to_add: true,
        request_headers_to_remove: true,
        response_headers_to_add: true,
        response_headers_to_remove: true,
      },
      `${at}.`,
    )
    const inherited = {
      specifiers,
      request: compileHeaderLists(host.requestHeadersToAdd, host.requestHeadersToRemove),
      response: compileHeaderLists(host.responseHeadersToAdd, host.responseHeadersToRemove),
      filters: compilePerRoute(host.typedPerFilterConfig, `${at}.typed_per_filter_config`),
    }
    table.add(
      host.domains,
      host.routes.map((route, position) => compileRoute(route, inherited, `${at}.routes[${position}]`)),
      at,
    )
  })
  return table
}
