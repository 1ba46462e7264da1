import type { IGateway } from '@kubernetes-models/istio/networking.istio.io/v1/Gateway'
import type { IServiceEntry } from '@kubernetes-models/istio/networking.istio.io/v1/ServiceEntry'
import type { IVirtualService } from '@kubernetes-models/istio/networking.istio.io/v1/VirtualService'
import type { DestinationRuleSpec } from './destination-rule-spec.ts'

export type { ConsistentHash, DestinationRuleSpec, PortTrafficPolicy, Subset, TrafficPolicy } from './destination-rule-spec.ts'

/** The resources of the mesh, as they are kept after they were accepted: in their newest apiVersion, checked, without nulls. */
export type Resource = Gateway | VirtualService | DestinationRule | ServiceEntry | RateLimit
export type ResourceKind = Resource['kind']

interface Typed<Kind extends string, Spec, ApiVersion extends string = 'networking.istio.io/v1'> {
  apiVersion: ApiVersion
  kind: Kind
  metadata: Metadata
  spec: Spec
}

export interface Metadata {
  name: string
  /** Guid of a space, or `mesh-system`, the operator's own. */
  namespace: string
  labels: Record<string, string>
  annotations: Record<string, string>
  /** Grows by one with every change of the spec; begins at 1. */
  generation: number
  /** ISO 8601. */
  createdAt: string
}

export type Gateway = Typed<'Gateway', GatewaySpec>
export type VirtualService = Typed<'VirtualService', VirtualServiceSpec>
export type DestinationRule = Typed<'DestinationRule', DestinationRuleSpec>
export type ServiceEntry = Typed<'ServiceEntry', ServiceEntrySpec>
export type RateLimit = Typed<'RateLimit', RateLimitSpec, 'mesh.cloudfoundry.org/v1'>

export type GatewaySpec = NonNullable<IGateway['spec']>
export type VirtualServiceSpec = NonNullable<IVirtualService['spec']>
export type ServiceEntrySpec = NonNullable<IServiceEntry['spec']>

type Item<List> = NonNullable<List> extends readonly (infer Element)[] ? Element : never

export type Server = Item<GatewaySpec['servers']>
export type HttpRoute = Item<VirtualServiceSpec['http']>
export type HttpMatch = Item<HttpRoute['match']>
export type HttpRouteDestination = Item<HttpRoute['route']>
export type Destination = HttpRouteDestination['destination']
export type TlsRoute = Item<VirtualServiceSpec['tls']>
export type TcpRoute = Item<VirtualServiceSpec['tcp']>
export type ServicePort = Item<ServiceEntrySpec['ports']>
export type WorkloadEntry = Item<ServiceEntrySpec['endpoints']>
/** Exactly one of the three is set. */
export interface StringMatch {
  exact?: string
  prefix?: string
  regex?: string
}

/** Our own resource: how many requests pass in a time; the others are answered 429. */
export interface RateLimitSpec {
  /** Hosts of routes, as in a VirtualService. */
  hosts: string[]
  /** Requests that count, as in a VirtualService; all of the hosts where absent. */
  match?: HttpMatch[]
  limits: Limit[]
  /** Counted by the operator's rate limit service for all routers together, instead of by each router. */
  global?: boolean
}

export interface Limit {
  /** Who has a count of his own: `client-ip`, `header:NAME` (a value each), `route` (all requests together). */
  per: string
  requests: number
  unit: 'second' | 'minute' | 'hour' | 'day'
  /** Requests that may come at once beyond the steady rate; as many as `requests` where absent. */
  burst?: number
}
