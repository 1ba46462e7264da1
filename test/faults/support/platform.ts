import type { Session } from '../../../src/cli/dev/session.ts'

/** The domain whose routes the mesh serves. */
export const meshDomain = 'mesh.test'

/** One instance that runs, as the checker knows it. */
export interface Running {
  guid: string
  app: string
  process: string
  index: number
  /** It was told to end, or is about to die. */
  stopping: boolean
}

/** From when to when something was dying; milliseconds of the monotonic clock. */
export interface Death {
  from: number
  to: number
}

/** What runs on a platform. The checker knows it from the platform's side, never from the mesh's. */
export interface Instances {
  readonly running: ReadonlyMap<string, Running>
  /** Every instance that ever was, by guid: its app. */
  readonly history: ReadonlyMap<string, string>
  /** Deaths of instances, by app. */
  readonly killed: Map<string, Death[]>
  of(app: string): Running[]
  /** Waits until everything that was ordered runs. */
  settled(): Promise<void>
}

/** A Cloud Foundry under a mesh that is tried. */
export interface Platform {
  readonly cells: Instances
  /** Where Cloud Controller and BBS answer the syncer, on 127.0.0.1. */
  readonly cc: { readonly port: number }
  readonly bbs: { readonly port: number }
  /** As the administrator. */
  readonly session: Session
  stop(): Promise<void>
}
