import type { Resource } from './istio/types.ts'

/**
 * The desired state, as copilot stores it and pilot reads it: the platform's part, which route-syncer sends, and the
 * resources that people apply. A record is addressed by its kind and key; its value is replaced as a whole.
 */
export interface Records {
  /** Keyed by guid. */
  organization: Organization
  /** Keyed by guid. */
  space: Space
  /** Keyed by guid. */
  app: App
  /** Keyed by `routeKey`. */
  route: Route
  /** Keyed by its process guid in Diego. */
  process: Process
  /** Keyed by instance guid. */
  instance: Instance
  /** Keyed by `resourceKey`. Written through the people's API alone, never by a source. */
  resource: Resource
  /** Keyed by `NAMESPACE/NAME`. What is secret of it is not here: pilot asks copilot for it. */
  secret: Secret
}

export type Kind = keyof Records

/** In the order in which one can refer to another: what a record names is of a kind before its own, or absent for now. */
export const kinds = ['organization', 'space', 'app', 'process', 'instance', 'route', 'secret', 'resource'] as const satisfies Kind[]

/** What a source sends. */
export const platformKinds = kinds.filter((kind) => kind !== 'resource' && kind !== 'secret')
export type PlatformKind = (typeof platformKinds)[number]

/** One change of the desired state; `value: null` removes the record. */
export type Change = { [K in Kind]: { kind: K; key: string; value: Records[K] | null } }[Kind]

export interface Organization {
  name: string
  /** Present where it is suspended: then nobody but an operator changes what its spaces apply. */
  suspended?: true
}

export interface Space {
  name: string
  organization: string
}

export interface App {
  name: string
  /** Guid of its space. */
  space: string
  labels: Record<string, string>
  annotations: Record<string, string>
}

/** What Diego is to run for one version of an app's process; present only while BBS has its desired LRP. */
export interface Process {
  /** Guid of its app. */
  app: string
  /** `web`, `worker`, ... */
  type: string
  /** Number of instances wanted; an instance with an index at or above it is not served. */
  instances: number
}

/** One running container. Only instances that are RUNNING and routable are recorded. */
export interface Instance {
  /** Process guid in Diego. */
  process: string
  index: number
  /** Address to connect to. */
  address: string
  ports: InstancePort[]
  /** Availability zone, empty where unknown. */
  zone: string
  /**
   * When it took its present state, nanoseconds since 1970 as Diego counts them, in decimal; newest wins where an address is used twice.
   */
  since: string
}

export interface InstancePort {
  /** The app's own port inside the container, which destinations name. */
  app: number
  /** Port to connect to without TLS; 0 if there is none. */
  plain: number
  /** Port of the instance's TLS proxy; 0 if there is none. */
  tls: number
}

/**
 * What one host and path prefix answers. It exists as long as the route has a destination: with none, or unmapped or
 * deleted, there is no record and the answer is 404; with destinations but no running instance the answer is 503.
 */
export interface Route {
  /** Lower case, without port and trailing dot; `*.` in front for a wildcard. */
  host: string
  /** Empty, or a prefix such as `/a/b` without trailing slash. */
  path: string
  exposure: Exposure
  /** Guid of the space that owns it. */
  space: string
  /** Guid in Cloud Controller; absent until CC has told. */
  guid?: string
  /** Host of the apps-domain route that this one mirrors. */
  mirrors?: string
  labels: Record<string, string>
  options: RouteOptions
  destinations: Destination[]
}

/** Which listeners serve a route: `pub` the public ones, `int` only the internal one. */
export type Exposure = 'pub' | 'int'

/** Per-route options of Cloud Controller, as it spells them (RFC-0027, RFC-0042). Unknown ones are kept and ignored. */
export interface RouteOptions {
  loadbalancing?: 'round-robin' | 'least-connection' | 'hash'
  hash_header?: string
  hash_balance?: string
  [option: string]: unknown
}

/** Where a route sends to: every process in `processes`, at the app's port `port`. */
export interface Destination {
  /** Guid of the app. */
  app: string
  /** Process type. */
  type: string
  port: number
  protocol: 'http1' | 'http2'
  /** Share among the route's destinations, 1 to 100; absent where none is set. */
  weight?: number
  /** Process guids in Diego; a rolling deployment has two, a stopped app none. */
  processes: string[]
}

/** A TLS keypair that a Gateway names as `credentialName`; its content is another one when `version` is. */
export interface Secret {
  /** Hash of the content. */
  version: string
  /** DNS names that the certificate bears. */
  names: string[]
  /** ISO 8601. */
  expires: string
  /** Which parts it has; absent in records of an older copilot. */
  holds?: ('keypair' | 'ca')[]
}

/** The key of a route: exposure, host and path as one string, which is also its cluster's name in xDS. */
export function routeKey({ exposure, host, path }: Pick<Route, 'exposure' | 'host' | 'path'>): string {
  return `${exposure}/${host}${path}`
}

/** The key of a resource: `KIND/NAMESPACE/NAME`, the kind in lower case. */
export function resourceKey({ kind, metadata }: { kind: string; metadata: { namespace: string; name: string } }): string {
  return `${kind.toLowerCase()}/${metadata.namespace}/${metadata.name}`
}

/** The key of a secret. */
export const secretKey = (namespace: string, name: string): string => `${namespace}/${name}`
