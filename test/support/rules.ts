import type { DestinationRuleSpec, HttpRoute, RateLimitSpec, ServiceEntrySpec, TrafficPolicy } from '../../src/mesh/istio/types.ts'
import { typed } from './mesh.ts'

const named = (host: string): { name: string } => ({ name: host.replace('*', 'any').replaceAll('.', '-') })

/** A VirtualService of one host, called as it. */
export const virtualService = (host: string, ...http: HttpRoute[]): object => ({
  ...typed('VirtualService'),
  metadata: named(host),
  spec: { hosts: [host], http },
})

/** A DestinationRule of one host, called as it. */
export const destinationRule = (host: string, spec: Omit<DestinationRuleSpec, 'host'>): object => ({
  ...typed('DestinationRule'),
  metadata: named(host),
  spec: { host, ...spec },
})

/** A DestinationRule with a policy for all of a host. */
export const trafficPolicy = (host: string, policy: TrafficPolicy): object => destinationRule(host, { trafficPolicy: policy })

/** A RateLimit of one host, called as it. */
export const rateLimit = (host: string, spec: Omit<RateLimitSpec, 'hosts'>): object => ({
  apiVersion: 'mesh.cloudfoundry.org/v1',
  kind: 'RateLimit',
  metadata: named(host),
  spec: { hosts: [host], ...spec },
})

/** A ServiceEntry of the operator, who may name addresses of this machine. */
export const serviceEntry = (host: string, spec: Omit<ServiceEntrySpec, 'hosts'>): object =>
  ofOperator({ ...typed('ServiceEntry'), metadata: named(host), spec: { hosts: [host], ...spec } })

/** A resource as the operator's own: only those shape what is the operator's. */
export const ofOperator = (document: object): object => inSpace(document, 'mesh-system')

/** A resource as one of a space, by its guid. */
export const inSpace = (document: object, namespace: string): object => ({
  ...document,
  metadata: { ...(document as { metadata: object }).metadata, namespace },
})

/** Sends to a host, or one of its subsets. */
export const to = (host: string, subset?: string): NonNullable<HttpRoute['route']>[number] => ({
  destination: { host, ...(subset !== undefined && { subset }) },
})

/** Subsets called as the label `version` that they have. */
export const subsets = (...versions: string[]): NonNullable<DestinationRuleSpec['subsets']> =>
  versions.map((version) => ({ name: version, labels: { version } }))

/** Answers with a text, without an app. */
export const says = (text: string): HttpRoute => ({ directResponse: { status: 200, body: { string: text } } })
