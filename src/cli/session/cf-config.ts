import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** What the cf CLI keeps in `~/.cf/config.json`, as far as it is used here. It is read, never written. */
export interface CfConfig {
  /** Cloud Controller's address. */
  Target?: string
  AccessToken?: string
  RefreshToken?: string
  UaaEndpoint?: string
  UAAOAuthClient?: string
  UAAOAuthClientSecret?: string
  SpaceFields?: { GUID?: string; Name?: string }
}

/** The cf CLI's configuration, in CF_HOME as the cf CLI has it; empty where there is none that can be read. */
export function readCfConfig(environment: NodeJS.ProcessEnv): CfConfig {
  try {
    return JSON.parse(readFileSync(join(environment['CF_HOME'] ?? environment['HOME'] ?? homedir(), '.cf/config.json'), 'utf8')) as CfConfig
  } catch {
    return {}
  }
}
