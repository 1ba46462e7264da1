import type { Row } from './table.ts'

export interface Metadata {
  labels: Record<string, string>
  annotations: Record<string, string>
}

export interface Organization extends Row, Metadata {
  name: string
  suspended: boolean
}

export interface Space extends Row, Metadata {
  name: string
  organization: string
  sshAllowed: boolean
}

/** A user as Cloud Controller knows it; the account is UAA's. A client has the client's id as guid and no name. */
export interface User extends Row, Metadata {
  username: string | null
  origin: string | null
}

export type OrganizationRole = 'organization_user' | 'organization_auditor' | 'organization_manager' | 'organization_billing_manager'
export type SpaceRole = 'space_developer' | 'space_auditor' | 'space_manager' | 'space_supporter'

export interface Role extends Row {
  type: OrganizationRole | SpaceRole
  user: string
  organization: string | null
  space: string | null
}

export interface Domain extends Row, Metadata {
  name: string
  internal: boolean
  /** Owner of a private domain. */
  organization: string | null
  sharedOrganizations: string[]
}

export interface Destination {
  guid: string
  app: string
  type: string
  port: number
  protocol: 'http1' | 'http2'
  weight: number | null
  createdAt: number
  updatedAt: number
}

export interface Route extends Row, Metadata {
  host: string
  path: string
  domain: string
  space: string
  options: Record<string, string>
  destinations: Destination[]
  sharedSpaces: string[]
}

export interface App extends Row, Metadata {
  name: string
  space: string
  state: 'STARTED' | 'STOPPED'
  lifecycle: { buildpacks: string[]; stack: string }
  environment: Record<string, string>
  /** Guid of the current droplet. */
  droplet: string | null
  /** Guid of the revision that runs. */
  revision: string | null
  features: { ssh: boolean; revisions: boolean }
}

interface ProcessHealthCheck {
  type: 'port' | 'http' | 'process'
  timeout: number | null
  invocationTimeout: number | null
  interval: number | null
  endpoint: string | null
}

export interface Process extends Row, Metadata {
  app: string
  type: string
  /** What the user set; null for the droplet's own. */
  command: string | null
  instances: number
  memoryMb: number
  diskMb: number
  /** Bytes a second; -1 for no limit. */
  logRateLimit: number
  healthCheck: ProcessHealthCheck
  readinessCheck: { type: 'port' | 'http' | 'process'; invocationTimeout: number | null; interval: number | null; endpoint: string | null }
  /** Changes when the running instances must be replaced. */
  version: string
  /** Guid of the revision it runs. */
  revision: string | null
  /** What it runs; differs from the app's while a deployment is under way. */
  droplet: string | null
}

export interface Package extends Row, Metadata {
  app: string
  state: 'AWAITING_UPLOAD' | 'PROCESSING_UPLOAD' | 'READY' | 'FAILED'
  error: string | null
  checksum: string | null
}

export interface Build extends Row, Metadata {
  app: string
  package: string
  droplet: string | null
  state: 'STAGING' | 'STAGED' | 'FAILED'
  error: string | null
  lifecycle: App['lifecycle']
  stagingMemoryMb: number
  stagingDiskMb: number
  createdBy: Actor
}

export interface Droplet extends Row, Metadata {
  app: string
  package: string | null
  state: 'AWAITING_UPLOAD' | 'STAGED' | 'FAILED'
  error: string | null
  processTypes: Record<string, string>
  executionMetadata: string
  buildpack: string | null
  stack: string
}

export interface Revision extends Row, Metadata {
  app: string
  version: number
  droplet: string
  description: string
  environment: Record<string, string>
  /** Command by process type. */
  commands: Record<string, string | null>
}

export interface Deployment extends Row, Metadata {
  app: string
  droplet: string
  previousDroplet: string | null
  revision: string | null
  strategy: 'rolling'
  maxInFlight: number
  state: 'DEPLOYING' | 'DEPLOYED' | 'CANCELED' | 'SUPERSEDED'
  /** Guid of the web process that it brings up. */
  process: string
  /** Instances wanted at the end. */
  instances: number
  /** Guids and instance counts of the web processes that it replaces. */
  previous: { guid: string; instances: number }[]
  lastHealthyAt: number
  changedAt: number
}

export interface Job extends Row {
  operation: string
  state: 'PROCESSING' | 'COMPLETE' | 'FAILED'
  errors: { code: number; title: string; detail: string }[]
  warnings: string[]
  /** Type and guid of what it works on. */
  resource: { type: string; guid: string } | null
}

export interface Actor {
  guid: string
  type: 'user' | 'process' | 'app' | 'system'
  name: string
}

export interface AuditEvent extends Row {
  type: string
  actor: Actor
  target: { guid: string; type: string; name: string }
  data: Record<string, unknown>
  space: string | null
  organization: string | null
}

/** An account of UAA. */
export interface Account extends Row {
  userName: string
  /** `scrypt$SALT$HASH`. */
  password: string
  email: string
  givenName: string
  familyName: string
  origin: string
  groups: string[]
  active: boolean
  externalId: string | null
}

/** Named settings: feature flags that were changed, environment variable groups. */
export interface Setting extends Row {
  name: string
  value: unknown
}
