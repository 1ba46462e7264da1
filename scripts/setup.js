// Sets the checkout up: installs the locked packages if they are not there yet. Plain JavaScript for any Node >= 20.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

export const root = resolve(import.meta.dirname, '..')
const stamp = join(root, 'node_modules/.mesh-setup')

/** Installs what package-lock.json says, unless that has been done, and prepares tap. Ends the process with a sentence where it cannot. */
export function setUp() {
  const major = Number(process.versions.node.split('.')[0])
  if (major < 20)
    fail(`mesh-release needs Node 20 or newer to start; this is ${process.version}. Install a newer one, for example from nodejs.org.`)
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return

  console.error('Installing the packages of package-lock.json (once) …')
  run(
    'npm',
    ['ci', '--ignore-scripts', '--no-fund', '--no-audit', '--loglevel=error'],
    'npm could not install the packages; see its message above.',
  )
  const node = node24()
  if (existsSync(join(root, 'node_modules/tap')))
    run(node, [join(root, 'node_modules/tap/dist/esm/run.mjs'), 'build'], 'tap could not be prepared.')
  writeFileSync(stamp, lock)
}

/** The Node 24 that runs our TypeScript: the one from npm, or the running one where it is new enough. */
export function node24() {
  const packaged = join(root, `node_modules/node-${process.platform}-${process.arch}/bin/node`)
  if (existsSync(packaged)) return packaged
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath
  return fail(`Node 24 is missing: npm has no package of it for ${process.platform} ${process.arch}. Run this with Node 24 or newer.`)
}

function run(command, args, sentence) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: root, encoding: 'utf8' })
  if (status !== 0) fail(`${stdout ?? ''}${stderr ?? ''}${error?.message ?? ''}\n${sentence}`)
}

function fail(message) {
  console.error(message)
  process.exit(1)
}

if (process.argv[1] === import.meta.filename) setUp()
