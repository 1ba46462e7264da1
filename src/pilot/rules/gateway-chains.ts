import { isIP } from 'node:net'
import { resourceKey, type Route } from '../../mesh/records.ts'
import type { Destination as RuleDestination, Gateway, VirtualService } from '../../mesh/istio/types.ts'
import { hostsOfServer } from '../../mesh/istio/gateways.ts'
import type { Source } from '../../mesh/rules/source.ts'
import { name } from '../../mesh/rules/names.ts'
import { targetOf } from './clusters.ts'
import { serverTls, type ServerTls } from './credentials.ts'
import {
  gatewayNamed,
  isHttps,
  isPassthrough,
  isPlainHttp,
  matches,
  serversOf,
  type Arrival,
  type GatewayServer,
} from '../../mesh/rules/gateways.ts'
import { systemNamespace } from '../../mesh/istio/kinds.ts'
import { byAge, mayShape } from '../../mesh/rules/hosts.ts'
import type { Policy } from './policies.ts'
import { routesOf } from './services.ts'

/** What a Gateway has routers do with connections to a port. */
export interface GatewayChain {
  /** The server, `NAMESPACE/NAME/POSITION`. */
  id: string
  /** Key of the Gateway. */
  source: string
  arrival: Arrival
  /** The names that it is for in the TLS handshake; none for all, and for a port without TLS. */
  serverNames: string[]
  /** Where the connection was made to, as CIDR; none for all. */
  subnets: string[]
  /** TLS that ends here. */
  tls?: ServerTls
  /** Where bytes go; absent for HTTP, which the route configuration leads on. */
  tcp?: TcpTarget[]
}

export interface TcpTarget {
  cluster: string
  weight: number
  policy: Policy | undefined
}

/** A port beside 80 and 443 that the operator lets spaces open. */
export interface PortLease {
  port: number
  /** Each a guid, or ORGANIZATION/SPACE. */
  spaces: string[]
}

interface Degraded {
  key: string
  reason: string
}

/** The filter chains of a Gateway, cut down to what its space owns; what of it cannot be served is told in `degraded`. */
export function gatewayChains(view: Source, gateway: Gateway, leases: PortLease[], degraded: Degraded[]): GatewayChain[] {
  const source = resourceKey(gateway)
  return serversOf(gateway).flatMap((server, position) => {
    const say = (reason: string, key = source): void => void degraded.push({ key, reason: `spec.servers[${position}]: ${reason}` })
    const { port } = server.arrival
    if (!mayOpen(view, gateway.metadata.namespace, port, leases)) {
      say(`port ${port} is not leased to this space; ask the operator for it, or use 80 or 443`)
      return []
    }
    return chainsOf(view, server, source, say)
  })
}

function mayOpen(view: Source, namespace: string, port: number, leases: PortLease[]): boolean {
  if (port === 80 || port === 443 || namespace === systemNamespace) return true
  const space = view.get('space', namespace)
  const organization = space && view.get('organization', space.organization)
  return leases.some(
    (lease) =>
      lease.port === port && lease.spaces.some((written) => written === namespace || written === `${organization?.name}/${space?.name}`),
  )
}

function chainsOf(view: Source, server: GatewayServer, source: string, say: (reason: string, key?: string) => void): GatewayChain[] {
  const { arrival, id, gateway } = server
  const { namespace } = gateway.metadata
  const common = { id, source, arrival, serverNames: [], subnets: [] }
  const names = ownNames(view, hostsOfServer(server.server), namespace)
  if (!names.length) {
    say(`${hostsOfServer(server.server).join(', ')}: no route of this space has such a host`)
    return []
  }
  if (isPlainHttp(server.server)) return [common]
  const serverNames = names.filter((host) => host !== '*')
  if (isPassthrough(server.server)) return passthrough(view, server, names, say).map((chain) => ({ ...common, ...chain }))
  if (!isHttps(server.server) && !server.server.tls) return tcpRoutes(view, server, say).map((chain) => ({ ...common, ...chain }))
  const faults: string[] = []
  const tls = serverTls(view, server.server, namespace, faults)
  faults.forEach((fault) => say(fault))
  if (!tls) return []
  if (isHttps(server.server)) return [{ ...common, serverNames, tls }]
  return tcpRoutes(view, server, say).map((chain) => ({ ...common, ...chain, serverNames, tls }))
}

/** The hosts that a namespace may open a server for: the operator any; a space those of its own public routes that the patterns have. */
function ownNames(view: Source, patterns: string[], namespace: string): string[] {
  if (namespace === systemNamespace) return patterns
  const routes = [...view.keysOf(name.owned(namespace))].flatMap((key): Route[] => {
    const route = view.get('route', key)
    return route?.exposure === 'pub' ? [route] : []
  })
  return [...new Set(routes.map(({ host }) => host).filter((host) => patterns.some((pattern) => matches(pattern, host))))].sort()
}

/** The VirtualServices that are bound to a server's Gateway, the oldest first. */
function boundTo(view: Source, { gateway }: GatewayServer): VirtualService[] {
  const services = [...view.keysOf(name.bound(resourceKey(gateway)))].flatMap((key) => {
    const resource = view.get('resource', key)
    return resource?.kind === 'VirtualService' ? [resource] : []
  })
  return services.sort(byAge)
}

interface Level4Match {
  gateways?: string[]
  port?: number
  destinationSubnets?: string[]
}

function holdsAt(
  view: Source,
  { gateway, arrival }: GatewayServer,
  { metadata, spec }: VirtualService,
  { gateways = spec.gateways ?? [], port }: Level4Match,
): boolean {
  const bound = gateways.some((written) => {
    const found = gatewayNamed(view, written, metadata.namespace)
    return found !== undefined && resourceKey(found) === resourceKey(gateway)
  })
  return bound && (!port || port === arrival.port)
}

/** A chain for each match of the `tls` routes, with the names that are the space's own. */
function passthrough(
  view: Source,
  server: GatewayServer,
  names: string[],
  say: (reason: string, key?: string) => void,
): Pick<GatewayChain, 'serverNames' | 'subnets' | 'tcp'>[] {
  const taken = new Set<string>()
  return boundTo(view, server).flatMap((service) =>
    (service.spec.tls ?? []).flatMap(({ match = [], route = [] }) =>
      match.flatMap((one) => {
        if (!holdsAt(view, server, service, one)) return []
        const own = ownNames(view, one.sniHosts ?? [], service.metadata.namespace).filter((sni) => names.some((host) => matches(host, sni)))
        const subnets = (one.destinationSubnets ?? []).map(cidr)
        const serverNames = own.filter((sni) => !taken.has(`${sni} ${subnets.join()}`))
        for (const sni of serverNames) taken.add(`${sni} ${subnets.join()}`)
        return serverNames.length ? [{ serverNames, subnets, tcp: targetsOf(view, service, route, say) }] : []
      }),
    ),
  )
}

/** A chain for each match of the `tcp` routes; the first of those for the same connections. */
function tcpRoutes(
  view: Source,
  server: GatewayServer,
  say: (reason: string, key?: string) => void,
): Pick<GatewayChain, 'serverNames' | 'subnets' | 'tcp'>[] {
  const taken = new Set<string>()
  return boundTo(view, server).flatMap((service) =>
    (service.spec.tcp ?? []).flatMap(({ match, route = [] }) =>
      (match?.length ? match : [{}]).flatMap((one: Level4Match) => {
        const subnets = (one.destinationSubnets ?? []).map(cidr)
        if (!holdsAt(view, server, service, one) || taken.has(subnets.join())) return []
        taken.add(subnets.join())
        return [{ serverNames: [], subnets, tcp: targetsOf(view, service, route, say) }]
      }),
    ),
  )
}

function targetsOf(
  view: Source,
  service: VirtualService,
  route: { destination: RuleDestination; weight?: number }[],
  say: (reason: string, key?: string) => void,
): TcpTarget[] {
  const { namespace } = service.metadata
  return route
    .flatMap(({ destination, weight }) => {
      const [from] = routesOf(view, destination.host).filter((one) => mayShape(namespace, one))
      const target = targetOf(view, destination, namespace, from)
      if ('fault' in target) {
        say(target.fault, resourceKey(service))
        return []
      }
      return [{ ...target, weight: route.length === 1 ? 1 : (weight ?? 0) }]
    })
    .filter(({ weight }) => weight > 0)
}

const cidr = (subnet: string): string => (subnet.includes('/') ? subnet : `${subnet}/${isIP(subnet) === 6 ? 128 : 32}`)
