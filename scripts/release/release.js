// npm run release: builds a dev release from this checkout into dev_releases/mesh/, with the bosh CLI where it is installed, else in the
// same format by ourselves. A commit has one release; one of changes that are not committed bears the time. The last line says where it is.
// Options: --version VERSION, --tarball FILE, --without-bosh.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { root } from '../setup.js'
import { addBlobs } from './blobs.js'
import { createRelease } from './create.js'

const { values } = parseArgs({ options: { version: { type: 'string' }, tarball: { type: 'string' }, 'without-bosh': { type: 'boolean' } } })

await addBlobs()
const dirty = git('status', '--porcelain') !== ''
const number = git('rev-list', '--count', 'HEAD') + (dirty ? `.${Math.floor(Date.now() / 1000)}` : '')
const version = values.version ?? `${JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version}+dev.${number}`
const tarball = resolve(values.tarball ?? join(root, `dev_releases/mesh/mesh-${version}.tgz`))
mkdirSync(dirname(tarball), { recursive: true })

if (!values.version && !dirty && existsSync(tarball)) {
  done()
} else if (!values['without-bosh'] && spawnSync('bosh', ['--version']).status === 0) {
  const { status } = spawnSync('bosh', ['create-release', '--force', '--version', version, '--tarball', tarball], {
    cwd: root,
    stdio: 'inherit',
  })
  if (status === 0) done()
  else process.exitCode = status ?? 1
} else {
  await createRelease({ root, version, tarball, commit: git('rev-parse', '--short', 'HEAD'), dirty })
  done()
}

function done() {
  console.log(`${tarball}: mesh ${version}`)
}

function git(...args) {
  const { status, stdout } = spawnSync('git', args, { cwd: root, encoding: 'utf8' })
  return status === 0 ? stdout.trim() : '0'
}
