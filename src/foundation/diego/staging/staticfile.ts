import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Buildpack } from './buildpacks.ts'

const server = join(import.meta.dirname, '..', 'static-server.ts')
const home = '.static'

/** Sites of plain files: those with a `Staticfile`, or an `index.html` and nothing that runs. */
export const staticfile: Buildpack = {
  name: 'staticfile_buildpack',
  detects: ({ has, staticfile, packageJson, procfile }, command) =>
    staticfile !== undefined || (has('index.html') && !packageJson && !command && Object.keys(procfile).length === 0),
  async compile({ app, log }) {
    const { root, pushstate } = app.staticfile ?? {}
    const settings = { root: typeof root === 'string' ? root : '.', pushstate: pushstate === 'enabled' || pushstate === true }
    // The server goes into the droplet, which thus runs wherever Node is.
    await mkdir(join(app.path, home), { recursive: true })
    await copyFile(server, join(app.path, home, 'server.mts'))
    await writeFile(join(app.path, home, 'settings.json'), JSON.stringify(settings))
    log(`       serving ${settings.root === '.' ? 'the whole folder' : settings.root}${settings.pushstate ? ' with pushstate' : ''}`)
    return { web: `node ${home}/server.mts` }
  },
}
