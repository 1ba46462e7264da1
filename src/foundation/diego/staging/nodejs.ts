import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { searchPath } from '../container/environment.ts'
import { readLines } from '../container/lines.ts'
import type { AppFolder } from './app-folder.ts'
import type { Buildpack, Compilation } from './buildpacks.ts'
import { CompileFailed } from './errors.ts'

const installTimeoutMs = 10 * 60_000
const usualFiles = [
  'server.js',
  'server.mjs',
  'server.ts',
  'app.js',
  'app.mjs',
  'app.ts',
  'index.js',
  'index.mjs',
  'index.ts',
  'main.js',
  'main.mjs',
  'main.ts',
]

/** Node apps: `npm start`, `main` of package.json, or a file of a usual name; dependencies that are not there are installed. */
export const nodejs: Buildpack = {
  name: 'nodejs_buildpack',
  detects: (app) => startCommand(app) !== undefined || (app.packageJson !== undefined && Object.keys(app.procfile).length > 0),
  async compile(compilation) {
    const { app, log } = compilation
    const missing = Object.keys(app.packageJson?.dependencies ?? {}).filter((name) => !existsSync(join(app.path, 'node_modules', name)))
    if (missing.length) await install(compilation, missing)
    else log('       no dependencies to install')
    const web = startCommand(app)
    return { ...(web && { web }) }
  },
}

function startCommand({ packageJson, has }: AppFolder): string | undefined {
  if (packageJson?.scripts['start'] !== undefined) return 'npm start'
  const main = packageJson?.main
  if (main && [main, `${main}.js`, `${main}/index.js`].some(has)) return `node ${quote(main)}`
  const file = has('index.html') ? undefined : usualFiles.find(has)
  return file && `node ${file}`
}

async function install({ app, environment, log }: Compilation, missing: string[]): Promise<void> {
  const locked = app.has('package-lock.json') || app.has('npm-shrinkwrap.json')
  const args = [locked ? 'ci' : 'install', '--omit=dev', '--no-audit', '--no-fund', '--no-update-notifier']
  log(`       npm ${args.join(' ')}`)
  const home = await mkdtemp(join(tmpdir(), 'mesh-npm-'))
  try {
    const npm = spawn('npm', args, {
      cwd: app.path,
      env: { LANG: 'en_US.UTF-8', ...environment, PATH: searchPath, HOME: home, TMPDIR: home, npm_config_cache: join(home, 'cache') },
      stdio: ['ignore', 'pipe', 'pipe'],
      signal: AbortSignal.timeout(installTimeoutMs),
    })
    readLines(npm.stdout, (line) => log(`       ${line}`))
    readLines(npm.stderr, (line) => log(`       ${line}`))
    const [status] = (await once(npm, 'close')) as [number | null]
    if (status !== 0) throw new Error(`npm ended with status ${status}`)
  } catch (error) {
    throw CompileFailed(
      `cannot install ${missing.join(', ')}: ${(error as Error).message}; see the staging log. Without network, push the app with its node_modules folder`,
    )
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}

const quote = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`
