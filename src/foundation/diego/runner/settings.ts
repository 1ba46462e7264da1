import type { KeyPair } from '../../../common/pki.ts'

/** What all instances of a runner share. */
export interface RunnerSettings {
  /** Folder of the instances' own folders. */
  containers: string
  /** The cells that instances are spread over by index. */
  cells: { id: string; zone: string }[]
  /** Address that instances are reached at. */
  address: string
  /** The authority that instances' certificates come from. */
  identityAuthority: KeyPair
  /** CAs of the routers that instances' TLS ports accept, PEM. */
  routerCa: string
  /** DNS names of which a router's certificate must bear one. */
  routerNames: string[]
  /** File of a droplet. */
  dropletFile: (dropletGuid: string) => string
  /** From SIGTERM to SIGKILL. */
  stopGraceMs: number
  /** Between two checks of a starting instance. */
  startupCheckIntervalMs: number
  /** Between two checks of a healthy instance. */
  livenessCheckIntervalMs: number
  /** How long a starting instance may take where the app doesn't say. */
  startTimeoutMs: number
  identityValidityMs: number
  /** How long instances go on without us, for the next start to take them over; 0 ends them with us. */
  handoverMs: number
}
