// npm run tile: builds the Ops Manager tile, dist/mesh-release-VERSION.pivotal.
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { version as ours } from '../src/common/version.ts'
import { writeTile } from './tile/pivotal.ts'
import { ownRelease, pinnedReleases, pins, readTarball } from './tile/releases.ts'

const usage = `Builds the Ops Manager tile.

  npm run tile [-- --version VERSION] [--mesh RELEASE.tgz] [--pins FILE] [--releases FOLDER] [--output FILE]

  --version VERSION   of the tile (${ours})
  --mesh RELEASE.tgz  the mesh release; otherwise what npm run release makes of this checkout
  --pins FILE         releases of others that the tile carries, in place of tile/releases.yml: other versions, or a mirror's addresses
  --releases FOLDER   their tarballs, NAME-VERSION.tgz; what is not there is fetched into it (vendor/releases/)
  --output FILE       dist/mesh-release-VERSION.pivotal where not given

  npm run tile -- --mesh mesh-0.1.0.tgz --releases /tmp/releases --output mesh.pivotal`
const text = { type: 'string' } as const
const { values } = parseArgs({
  options: { help: { type: 'boolean' }, version: text, mesh: text, pins: text, releases: text, output: text },
})
if (values.help) {
  console.log(usage)
  process.exit(0)
}
const version = values.version ?? ours
const output = resolve(values.output ?? `${import.meta.dirname}/../dist/mesh-release-${version}.pivotal`)

try {
  const others = await pinnedReleases(pins(values.pins && resolve(values.pins)), values.releases && resolve(values.releases))
  const mesh = values.mesh ? await readTarball(resolve(values.mesh)) : await ownRelease()
  await writeTile(output, version, [mesh, ...others])
  console.log(`${output}: version ${version}, with ${[mesh, ...others].map((release) => `${release.name} ${release.version}`).join(', ')}`)
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}
