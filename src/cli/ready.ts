import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { messageOf } from '../common/problem.ts'
import { FileUnreadable, NoApi } from './problems.ts'

/** What a running `npm start` tells in its data folder (src/start/ready.ts), as far as it is used here. */
export interface Ready {
  urls: { copilot: string; cloudController: string; cloudControllerTls: string }
  credentials: { user: string; password: string }
  organization: string
  space: string
  domains: { apps: string; mesh: string }
  caFile: string
}

/**
 * Reads `ready.json` of the running `npm start`: in `MESH_DATA`, else in a `.mesh` folder here or above, else in that of the
 * checkout that this program belongs to. Throws `MESHCTL_NO_API` where there is none.
 */
export function readReady(environment: NodeJS.ProcessEnv): Ready {
  const found = findReady(environment)
  if (!found) throw NoApi()
  return found
}

/** The same; undefined where there is none. */
export function findReady(environment: NodeJS.ProcessEnv): Ready | undefined {
  const data = environment['MESH_DATA']
  const file = data ? join(data, 'ready.json') : (above(process.cwd()) ?? above(import.meta.dirname))
  if (!file || !existsSync(file)) return undefined
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Ready
  } catch (error) {
    throw FileUnreadable('ready.json', file, messageOf(error))
  }
}

function above(folder: string): string | undefined {
  const file = join(folder, '.mesh/ready.json')
  if (existsSync(file)) return file
  return dirname(folder) === folder ? undefined : above(dirname(folder))
}
