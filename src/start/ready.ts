import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** What `npm start` tells programs once everything is up, as `ready.json` in the data folder. */
export interface Ready {
  version: string
  engine: 'embedded' | 'envoy'
  urls: {
    /** Cloud Controller, HTTP. */
    cloudController: string
    /** Cloud Controller, HTTPS with a certificate of `caFile`. */
    cloudControllerTls: string
    /** copilot's API for people, which meshctl uses. */
    copilot: string
    /** pilot's debug API. */
    pilot: string
  }
  credentials: { user: string; password: string }
  organization: string
  space: string
  domains: { apps: string; mesh: string }
  routers: { name: string; http: number; https: number; internal: number; internalTls: number; health: number }[]
  /** The CA of every certificate that a client meets. */
  caFile: string
  /** Process ids by program; `start` is the supervisor. */
  pids: Record<string, number>
}

/** Writes `ready.json`, so that a reader sees the old one or the new one, whole. */
export function writeReady(data: string, ready: Ready): void {
  const file = join(data, 'ready.json')
  writeFileSync(`${file}.new`, `${JSON.stringify(ready, null, 2)}\n`, { mode: 0o600 })
  renameSync(`${file}.new`, file)
}

export function removeReady(data: string): void {
  rmSync(join(data, 'ready.json'), { force: true })
}
