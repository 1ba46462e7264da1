import type { VirtualService } from '../istio/types.ts'
import type { Change, Kind, Records } from '../records.ts'
import { normalizeHost } from '../host.ts'
import { gatewayKey, hostsOfServer } from '../istio/gateways.ts'

/**
 * The names under which a record is found by others: the model's index leads from each to the records that have it. What reads
 * a name depends on all of them.
 */
export function namesOf<K extends Kind>(kind: K, value: Records[K]): Name[] {
  return (names[kind] as (value: Records[K]) => Name[])(value)
}

/** What kind of name it is, and what is called so. */
export type Name = readonly [kind: string, called: string]

/** A name as one text. */
export const nameText = ([kind, called]: Name): string => `${kind} ${called}`

/** A name of the model's index. */
export const name = {
  /** Routes of a host, on any exposure and path. */
  host: (host: string): Name => ['host', host],
  /** Apps of a space whose label `app`, or whose name, is that, in lower case. */
  service: (space: string, called: string): Name => ['service', `${space}/${called}`],
  /** Apps with a label. */
  label: (label: string, value: string): Name => ['label', `${label}=${value}`],
  /** Processes of an app. */
  processes: (app: string): Name => ['processes', app],
  /** Instances of a process. */
  instances: (process: string): Name => ['instances', process],
  /** Spaces by their name in lower case. */
  spaces: (name: string): Name => ['spaces', name],
  /** Spaces of an organization. */
  spacesIn: (organization: string): Name => ['spaces in', organization],
  /** Routes that send to an app. */
  destination: (app: string): Name => ['destination', app],
  /** Resources of a kind that name a host, in lower case. */
  resources: (kind: Records['resource']['kind'], host: string): Name => [kind, host],
  /** VirtualServices that are bound to a Gateway, by its key. */
  bound: (gateway: string): Name => ['bound', gateway],
  /** ServiceEntries of a space. */
  entries: (space: string): Name => ['entries', space],
  /** Routes that a space owns. */
  owned: (space: string): Name => ['owned', space],
} satisfies Record<string, (...parts: never[]) => Name>

/** What is read beside records and their names, each as one text. */
export const fact = {
  /** What DNS has for a name. */
  address: (host: string) => `address ${host}`,
  /** Whether a host is one of too many beneath a wildcard of the operator's. */
  beyond: (host: string) => `beyond ${host}`,
  /** Whether a wildcard of the operator's has too many hosts beneath it. */
  crowded: (wildcard: string) => `crowded ${wildcard}`,
} as const

const names: { [K in Kind]: (value: Records[K]) => Name[] } = {
  organization: () => [],
  space: (space) => [name.spaces(space.name.toLowerCase()), name.spacesIn(space.organization)],
  app: ({ space, name: called, labels }) => [
    ...[...new Set([called, labels['app']].flatMap((one) => one?.toLowerCase() ?? []))].map((one) => name.service(space, one)),
    ...Object.entries(labels).map(([label, value]) => name.label(label, value)),
  ],
  process: ({ app }) => [name.processes(app)],
  instance: ({ process }) => [name.instances(process)],
  route: ({ host, space, destinations }) => [
    name.host(host),
    name.owned(space),
    ...[...new Set(destinations.map(({ app }) => app))].map(name.destination),
  ],
  secret: () => [],
  resource: (resource) => [
    ...hostsOf(resource).map((host) => name.resources(resource.kind, host)),
    ...(resource.kind === 'VirtualService' ? gatewaysOf(resource).map(name.bound) : []),
    ...(resource.kind === 'ServiceEntry' ? [name.entries(resource.metadata.namespace)] : []),
  ],
}

/** Keys of the Gateways that a VirtualService names. */
function gatewaysOf({ metadata, spec }: VirtualService): string[] {
  const matches = [...(spec.http ?? []), ...(spec.tls ?? []), ...(spec.tcp ?? [])].flatMap(
    ({ match = [] }): { gateways?: string[] }[] => match,
  )
  return [spec, ...matches].flatMap(({ gateways = [] }) => gateways).map((written) => gatewayKey(written, metadata.namespace))
}

/** The hosts that a resource names as what it is about, in normal form. */
export function hostsOf(resource: Records['resource']): string[] {
  return writtenHosts(resource).map(normalizeHost)
}

function writtenHosts(resource: Records['resource']): string[] {
  if (resource.kind === 'DestinationRule') return [resource.spec.host]
  if (resource.kind === 'Gateway') return (resource.spec.servers ?? []).flatMap(hostsOfServer)
  return resource.spec.hosts ?? []
}

/** A record by its kind and key: a change of it is seen by this, and by its names before and after. */
export const recordName = (kind: Change['kind'], key: string): string => `${kind} ${key}`
