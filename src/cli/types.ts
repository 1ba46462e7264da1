/** What copilot's API answers (its OpenAPI description is at /docs), as far as it is shown here. */
export interface Named {
  guid: string
  name?: string
}

export interface Owned {
  space?: Named
  organization?: Named
}

export interface Route extends Owned {
  key: string
  exposure: 'pub' | 'int'
  host: string
  path: string
  guid?: string
  mirrors?: string
  labels: Record<string, string>
  options: Record<string, unknown>
  state: 'serving' | 'no-instances'
  destinations: Destination[]
  /** What it asks for and does not get. */
  notes: string[]
  conflicts: Conflict[]
}

export interface Destination {
  app: Named
  type: string
  port: number
  protocol: string
  weight?: number
  share: number
  wanted: number
  instances: { guid: string; index: number; address: string; port: number; zone: string }[]
}

export interface Conflict {
  key: string
  route?: string
  space: Named
  servedSpace?: Named
  reason: string
}

export interface Trace {
  host: string
  path?: string
  exposure: string
  candidates: { key: string; exists: boolean }[]
  route?: Route
  rules?: { rule: string; resource: string; matched: boolean; why: string }[]
  limits?: { limit: string; resource: string; counts: boolean; why: string }[]
  status?: number
  why: string
}

export interface Service extends Owned {
  name: string
  fullName?: string
  apps: { guid: string; name: string; labels: Record<string, string>; instances: number }[]
  hosts: string[]
  instances: number
}

export interface App extends Owned {
  guid: string
  name: string
  labels: Record<string, string>
  processes: { guid: string; type: string; wanted: number; running: number }[]
  routes: string[]
}

export interface Instance extends Owned {
  guid: string
  index: number
  app?: Named
  type?: string
  address: string
  ports: { app: number; plain: number; tls: number }[]
  zone: string
  since?: string
  wanted: boolean
}

export interface Ejection extends Partial<Owned> {
  router: string
  route?: string
  service?: string
  subset?: string
  app?: Named
  instance: string
  index?: number
  address: string
  state: 'open' | 'half-open'
  since: string
  until: string
  times: number
  cause: string
}

export interface Component {
  kind: string
  name: string
  version: string
  ready: boolean
  reason?: string
  lag?: number
  lastSeen: string
  lost: boolean
  report: Record<string, unknown>
}

export interface Router {
  name: string
  pilot: string
  /** Availability zone, where it is known. */
  zone?: string
  address?: string
  connectedSince?: string
  /** Age of the oldest change that it has not acknowledged, seconds. */
  lag?: number
  refused?: { typeUrl: string; name: string; reason: string }[]
  refusals?: number
}

export interface Held {
  id: string
  since: string
  source: string
  reason: string
  removes: { routes: number; instances: number; apps?: number }
}

export interface Switches {
  frozen?: { author: string; since: string }
  ignored: { space: Named; author: string; since: string }[]
}

export interface Status {
  version: string
  history: string
  revision: number
  records: Record<string, number>
  store: { ready: boolean; reason?: string }
  sources: { name: string; age: number; syncedAt: string }[]
  switches: Switches
  held: Held[]
  conflicts: Conflict[]
  components: Component[]
  watchers: { peer: string; lag: number }[]
}
