import type { DesiredProcess } from '../../diego.ts'
import type { InstancePort } from './environment.ts'

/**
 * What a container's process is told, as `container.json` in its folder. The folder also has the app (`app/`), its temporary files
 * (`tmp/`), its identity (`identity/`), the process groups (`container.pid`, `app.pid`) and, once it runs, the socket `control`.
 */
export interface ContainerSpec {
  instanceGuid: string
  index: number
  cell: { id: string; zone: string }
  process: DesiredProcess
  /** Address that the instance is reached at. */
  address: string
  /** The app's ports: as routes name them, and where it really listens. */
  ports: { container: number; host: number }[]
  /** CAs of the routers that the TLS ports accept, PEM. */
  routerCa: string
  /** DNS names of which a router's certificate must bear one. */
  routerNames: string[]
  /** From SIGTERM to SIGKILL. */
  stopGraceMs: number
  /** Between two checks while it starts. */
  startupCheckIntervalMs: number
  /** Between two checks once it is healthy. */
  livenessCheckIntervalMs: number
  /** How long the start may take where the app doesn't say. */
  startTimeoutMs: number
  /** How long it goes on with nobody connected to `control`. */
  handoverMs: number
}

export type Phase = 'starting' | 'running' | 'ended' | 'stopping'

/** How a container is, told upon connection and at each change. */
export interface ContainerState {
  phase: Phase
  ports: InstancePort[]
  /** The app's process group. */
  pid?: number
  /** When it became healthy, milliseconds since 1970. */
  runningSince?: number
  /** Why it ended, in Diego's words. */
  reason?: string
}

export interface ContainerLine {
  sourceType: string
  message: string
  type: 'OUT' | 'ERR'
}

/** What a container's process says on `control`: one JSON value a line. */
export type Report = { state: ContainerState } | { line: ContainerLine }

/** What it is asked, in the same form: to end the app and itself, or to show the certificate that lies in `identity/` now. */
export type Order = 'stop' | 'renew'

export const specFile = 'container.json'
export const controlSocket = 'control'
/** Where the process group of the container's own process is noted, and that of its app. */
export const pidFiles = { container: 'container.pid', app: 'app.pid' }
export const identityFiles = { certificate: 'identity/instance.crt', key: 'identity/instance.key' }
