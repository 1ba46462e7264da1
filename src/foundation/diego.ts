/** What Cloud Controller asks of Diego: one process of an app at one version. */
export interface DesiredProcess {
  /** `GUID-VERSION` of Cloud Controller's process. */
  processGuid: string
  appGuid: string
  appName: string
  spaceGuid: string
  spaceName: string
  organizationGuid: string
  organizationName: string
  /** Cloud Controller's own guid of the process. */
  cfProcessGuid: string
  /** `web`, `worker`, ... */
  type: string
  instances: number
  memoryMb: number
  diskMb: number
  command: string
  dropletGuid: string
  /** The user's variables, with `VCAP_APPLICATION` and `VCAP_SERVICES`. */
  environment: Record<string, string>
  /** The app's ports inside the container; the first is `PORT`. */
  ports: number[]
  healthCheck: HealthCheck
  routes: DesiredRoute[]
  internalRoutes: { hostname: string }[]
  /** Bytes a second; absent for no limit. */
  logRateLimit?: number
}

export interface HealthCheck {
  type: 'port' | 'http' | 'process'
  /** Path asked by `http`. */
  endpoint?: string
  /** How long a starting instance may take to become healthy. */
  timeoutMs?: number
  /** How long one check may take. */
  invocationTimeoutMs?: number
}

export interface DesiredRoute {
  /** `host.domain/path`. */
  hostname: string
  port: number
  protocol?: 'http1' | 'http2'
  options?: Record<string, unknown>
}

export interface InstanceState {
  index: number
  instanceGuid: string
  state: 'STARTING' | 'RUNNING' | 'CRASHED' | 'DOWN'
  /** Milliseconds since 1970. */
  since: number
  /** Seconds. */
  uptime: number
  details?: string
  host: string
  ports: { app: number; external: number; externalTls: number }[]
  /** `cpu` as a share of one core, `memory` and `disk` in bytes. */
  usage: { cpu: number; memory: number; disk: number }
  routable?: boolean
}

/** An instance that ended by itself, or was found unhealthy. */
export interface Crash {
  processGuid: string
  instanceGuid: string
  cellId: string
  index: number
  /** How often in a row. */
  count: number
  reason: string
  /** Milliseconds since 1970. */
  at: number
}

export interface LogEnvelope {
  /** Nanoseconds since 1970. */
  timestamp: bigint
  appGuid: string
  /** Instance index, or the part's own number. */
  instance: string
  /** `APP/PROC/WEB`, `STG`, `CELL`, `API`. */
  sourceType: string
  message: string
  type: 'OUT' | 'ERR'
}

export interface LogQuery {
  /** Inclusive, nanoseconds since 1970. */
  startTime?: bigint
  /** Exclusive. */
  endTime?: bigint
  limit?: number
  descending?: boolean
}

export interface StagingInput {
  appGuid: string
  buildGuid: string
  /** Zip file with the app's bits. */
  packageFile: string
  /** Where the droplet goes. */
  dropletFile: string
  /** Names the user asked for; empty to detect. */
  buildpacks: string[]
  /** The app's own web command, if it has one: what has a command needs no buildpack that knows it. */
  command?: string
  environment: Record<string, string>
}

export interface StagingResult {
  /** Command by process type. */
  processTypes: Record<string, string>
  /** What staged it, for people. */
  buildpack: string
  executionMetadata?: string
}

/** The seam between Cloud Controller and what runs apps. */
export interface Diego {
  /** Creates the process or brings it up to date: instances, routes and annotation in place. */
  desire(process: DesiredProcess): void
  remove(processGuid: string): void
  instances(processGuid: string): InstanceState[]
  restartInstance(processGuid: string, index: number): void
  /** Rejects with a sentence for the developer when the app cannot be staged. */
  stage(input: StagingInput, log: (line: string) => void): Promise<StagingResult>
  logs(appGuid: string, query: LogQuery): LogEnvelope[]
  emitLog(envelope: Omit<LogEnvelope, 'timestamp'>): void
  onInstanceChange(listener: (processGuid: string) => void): void
  onCrash(listener: (crash: Crash) => void): void
}
