// npm run tile: builds the Ops Manager tile, dist/mesh-release-VERSION.pivotal.
// Options: --version VERSION, --mesh RELEASE.tgz, --releases FOLDER with the tarballs of tile/releases.yml, --output FILE.
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { version as ours } from '../src/common/version.ts'
import { writeTile } from './tile/pivotal.ts'
import { ownRelease, pinnedRelease, pins, readTarball } from './tile/releases.ts'

const text = { type: 'string' } as const
const { values } = parseArgs({ options: { version: text, mesh: text, releases: text, output: text } })
const version = values.version ?? ours
const output = resolve(values.output ?? `${import.meta.dirname}/../dist/mesh-release-${version}.pivotal`)

try {
  const mesh = values.mesh ? await readTarball(resolve(values.mesh)) : await ownRelease()
  const others = await Promise.all(pins().map((pin) => pinnedRelease(pin, values.releases && resolve(values.releases))))
  await writeTile(output, version, [mesh, ...others])
  console.log(`${output}: version ${version}, with ${[mesh, ...others].map((release) => `${release.name} ${release.version}`).join(', ')}`)
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}
