import { isIP } from 'node:net'
import { isPublicAddress } from '../../mesh/istio/check-service-entry.ts'
import type { ServiceEntry, WorkloadEntry } from '../../mesh/istio/types.ts'
import type { Source } from '../../mesh/rules/source.ts'
import { systemNamespace } from '../../mesh/istio/kinds.ts'
import { portOf } from './services.ts'

/** Where an external service answers. */
export interface ExternalEndpoint {
  /** The name or address that is written in the entry: what its certificate is checked for. */
  name: string
  address: string
  port: number
  weight?: number
  locality?: string
  labels: Record<string, string>
}

export interface External {
  endpoints: ExternalEndpoint[]
  /** Addresses that may not be sent to, and names that are not known. */
  faults: string[]
}

/**
 * The endpoints of a host of a ServiceEntry, names resolved. Routers get addresses only: a name that begins to lead to a private address is
 * found out by pilot, which asks for it again and again, before any router sends there.
 */
export function externalOf(
  view: Source,
  entry: ServiceEntry,
  {
    host,
    labels = {},
    port,
    allowed,
  }: { host: string; labels?: Record<string, string>; port: number | undefined; allowed: readonly string[] },
): External {
  const { endpoints = [], resolution = 'NONE' } = entry.spec
  const servicePort = portOf(entry, port)
  const fit = endpoints.filter((endpoint) => Object.entries(labels).every(([label, value]) => endpoint.labels?.[label] === value))
  const written: WorkloadEntry[] = endpoints.length || resolution === 'STATIC' ? fit : [{ address: host }]
  const faults: string[] = []
  const found = written.flatMap(({ address: name = '', ports, weight, locality, labels: own = {} }) => {
    const number = ports?.[servicePort?.name ?? ''] ?? servicePort?.targetPort ?? servicePort?.number
    if (!number || name.startsWith('unix:')) return []
    return addressesOf(view, name, faults)
      .filter((address) => mayReach(entry, name, address, allowed, faults))
      .map((address): ExternalEndpoint => ({
        name,
        address,
        port: number,
        labels: own,
        ...(weight ? { weight } : {}),
        ...(locality === undefined ? {} : { locality }),
      }))
  })
  // Of two endpoints with one address Envoy would drop one in silence.
  return { endpoints: [...new Map(found.map((one) => [`${one.address} ${one.port}`, one])).values()], faults }
}

function addressesOf(view: Source, name: string, faults: string[]): readonly string[] {
  if (isIP(name)) return [name]
  if (name.includes('*')) {
    faults.push(`${name} cannot be looked up`)
    return []
  }
  const resolved = view.addressesOf(name)
  if (resolved?.length === 0) faults.push(`${name} has no address`)
  return resolved ?? []
}

function mayReach({ metadata }: ServiceEntry, name: string, address: string, allowed: readonly string[], faults: string[]): boolean {
  if (metadata.namespace === systemNamespace || isPublicAddress(address, allowed)) return true
  faults.push(
    `${name === address ? address : `${name} leads to ${address}, which`} is a private address, which a space's rules may not reach`,
  )
  return false
}
