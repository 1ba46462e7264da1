import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { messageOf } from '../../common/problem.ts'
import { FileUnwritable } from '../problems.ts'

/** What `meshctl login` keeps. Never the password. */
export interface Login {
  /** copilot's address. */
  api: string
  /** File with the CAs of that address, PEM. */
  ca?: string
  /** UAA's address. */
  uaa: string
  user: string
  accessToken: string
  refreshToken?: string
}

/** `~/.meshctl/session.json`; MESHCTL_HOME stands in for `~/.meshctl`. */
const loginFile = (environment: NodeJS.ProcessEnv): string =>
  join(environment['MESHCTL_HOME'] ?? join(environment['HOME'] ?? homedir(), '.meshctl'), 'session.json')

/** The login that is kept; undefined where there is none that can be read. */
export function readLogin(environment: NodeJS.ProcessEnv): Login | undefined {
  try {
    const kept = JSON.parse(readFileSync(loginFile(environment), 'utf8')) as Partial<Login> | null
    return kept?.api && kept.uaa && kept.accessToken ? (kept as Login) : undefined
  } catch {
    return undefined
  }
}

/** Keeps a login in a file that its owner alone can read. Throws `MESHCTL_FILE_UNWRITABLE`. */
export function writeLogin(environment: NodeJS.ProcessEnv, login: Login): void {
  const file = loginFile(environment)
  try {
    mkdirSync(join(file, '..'), { recursive: true, mode: 0o700 })
    const next = `${file}.${process.pid}`
    writeFileSync(next, `${JSON.stringify(login, null, 2)}\n`, { mode: 0o600 })
    renameSync(next, file)
  } catch (error) {
    throw FileUnwritable(file, messageOf(error))
  }
}

/** False where there was none. */
export function removeLogin(environment: NodeJS.ProcessEnv): boolean {
  const existed = existsSync(loginFile(environment))
  rmSync(loginFile(environment), { force: true })
  return existed
}
