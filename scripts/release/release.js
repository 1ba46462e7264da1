// npm run release: builds a dev release from this checkout into dev_releases/mesh/, with the bosh CLI where it is installed, else in the
// same format by ourselves. Options: --version VERSION, --tarball FILE, --without-bosh.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { root } from '../setup.js'
import { addBlobs } from './blobs.js'
import { createRelease } from './create.js'

const { values } = parseArgs({ options: { version: { type: 'string' }, tarball: { type: 'string' }, 'without-bosh': { type: 'boolean' } } })

await addBlobs()
const version = values.version ?? `${JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version}+dev.${git('rev-list', '--count', 'HEAD')}`
const tarball = resolve(values.tarball ?? join(root, `dev_releases/mesh/mesh-${version}.tgz`))
mkdirSync(dirname(tarball), { recursive: true })

if (!values['without-bosh'] && spawnSync('bosh', ['--version']).status === 0) {
  const { status } = spawnSync('bosh', ['create-release', '--force', '--version', version, '--tarball', tarball], { cwd: root, stdio: 'inherit' })
  process.exitCode = status ?? 1
} else {
  await createRelease({ root, version, tarball, commit: git('rev-parse', '--short', 'HEAD'), dirty: git('status', '--porcelain') !== '' })
  console.log(`${tarball}: mesh ${version}`)
}

function git(...args) {
  const { status, stdout } = spawnSync('git', args, { cwd: root, encoding: 'utf8' })
  return status === 0 ? stdout.trim() : '0'
}
