import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { problem } from '../../common/problem.ts'
import { Apps, NotFound } from './apps.ts'
import { Session } from './session.ts'

export const NotStarted = problem(
  'MESHCTL_NOT_STARTED',
  503,
  (folder: string) => `nothing runs in ${folder}: begin with npm start, or name its folder with --data`,
)

interface StartedCf {
  urls: { cloudController: string }
  credentials: { user: string; password: string }
  organization: string
  space: string
}

/** Signs in to the Cloud Foundry that `npm start` runs with the data folder, and does `work` in its space. */
export async function inSpace<Result>(
  { data, space }: { data?: string; space?: string },
  work: (apps: Apps, cc: Session) => Promise<Result>,
): Promise<Result> {
  const folder = resolve(data ?? process.env['MESH_DATA'] ?? '.mesh')
  const file = join(folder, 'ready.json')
  if (!existsSync(file)) throw NotStarted(folder)
  const started = JSON.parse(readFileSync(file, 'utf8')) as StartedCf
  const cc = new Session({ api: started.urls.cloudController, ...started.credentials })
  try {
    await cc.signIn()
    const name = space ?? started.space
    const found = await cc.find(`/v3/spaces?names=${encodeURIComponent(name)}`)
    if (!found) throw NotFound('space', name)
    return await work(new Apps(cc, found.guid), cc)
  } finally {
    await cc.close()
  }
}
