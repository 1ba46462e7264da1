import { gatewayKey, hostsOfServer } from '../istio/gateways.ts'
import type { Gateway, GatewaySpec, Server } from '../istio/types.ts'
import type { Route } from '../records.ts'
import type { Source } from './source.ts'
import { name } from './names.ts'
import { byAge, mayShape, spellings } from './hosts.ts'

/** Requests that came by a port of Istio's, at routers that have the labels of a Gateway's selector. */
export interface Arrival {
  port: number
  selector: Record<string, string>
}

/** A server of a Gateway, with where it stands. */
export interface GatewayServer {
  gateway: Gateway
  server: Server
  /** `NAMESPACE/NAME/POSITION`. */
  id: string
  arrival: Arrival
}

/** Routers that a Gateway without selector means. */
const standard = { istio: 'ingressgateway' }

/** The labels of the routers that a Gateway means. */
export const selectorOf = ({ selector = standard }: GatewaySpec): Record<string, string> => selector

export const serversOf = (gateway: Gateway): GatewayServer[] =>
  (gateway.spec.servers ?? []).map((server, position) => ({
    gateway,
    server,
    id: `${gateway.metadata.namespace}/${gateway.metadata.name}/${position}`,
    arrival: { port: server.port.number, selector: selectorOf(gateway.spec) },
  }))

/** The Gateway that a resource of `namespace` calls `NAME` or `NAMESPACE/NAME`, or in the old form `NAME.NAMESPACE…`. */
export function gatewayNamed(view: Source, written: string, namespace: string): Gateway | undefined {
  const gateway = view.get('resource', gatewayKey(written, namespace))
  return gateway?.kind === 'Gateway' ? gateway : undefined
}

/** The servers of a route's own space, and of the operator, that have its host; those of the oldest Gateway first. */
export function serversFor(view: Source, route: Route): GatewayServer[] {
  const keys = new Set(
    spellings(view, route).flatMap((alike) => alike.flatMap((host) => [...view.keysOf(name.resources('Gateway', host))])),
  )
  const gateways = [...keys].flatMap((key) => {
    const resource = view.get('resource', key)
    return resource?.kind === 'Gateway' && mayShape(resource.metadata.namespace, route) ? [resource] : []
  })
  return gateways
    .sort(byAge)
    .flatMap((gateway) => serversOf(gateway).filter(({ server }) => hostsOfServer(server).some((pattern) => matches(pattern, route.host))))
}

/** Whether a server's `hosts` have `host`, for VirtualServices of `namespace`. */
export function serves({ hosts = [] }: Server, host: string, namespace: string, own: string): boolean {
  return hosts.some((written) => {
    const pattern = written.slice(written.indexOf('/') + 1)
    const within = written.includes('/') ? written.slice(0, written.indexOf('/')) : '*'
    return matches(pattern, host) && (within === '*' || namespace === (within === '.' ? own : within))
  })
}

/** Whether a host, which can be a wildcard itself, is one that a pattern names. */
export function matches(pattern: string, host: string): boolean {
  return (
    pattern === '*' || pattern === host || (pattern.startsWith('*.') && host.endsWith(pattern.slice(1)) && host.length >= pattern.length)
  )
}

/** A server's kind, by its protocol. */
export const isPlainHttp = ({ port }: Server): boolean => ['HTTP', 'HTTP2', 'GRPC', 'GRPC-WEB'].includes(port.protocol.toUpperCase())
export const isHttps = ({ port }: Server): boolean => port.protocol.toUpperCase() === 'HTTPS'
export const isPassthrough = ({ tls }: Server): boolean => tls?.mode === 'PASSTHROUGH'
/** Whether clients must show a certificate. */
export const isMutual = ({ tls }: Server): boolean => tls?.mode === 'MUTUAL'
