import { createWriteStream, mkdirSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import yazl from 'yazl'
import { tileFaults } from './check.ts'
import { fillIn, metadataFile } from './metadata.ts'
import type { Tarball } from './releases.ts'

/**
 * Writes a .pivotal file: the metadata, the releases, and migrations/v1 for those of later versions. The same input gives the same bytes.
 */
export async function writeTile(to: string, version: string, tarballs: Tarball[]): Promise<void> {
  const releases = tarballs.map(({ name, version, path }) => ({ name, version, path, file: `${name}-${version}.tgz` }))
  const metadata = fillIn(
    version,
    releases.map(({ name, file, version }) => ({ name, file, version })),
  )
  const faults = tileFaults(metadata)
  if (faults.length) throw new Error(`the tile is not right:\n${faults.map((fault) => `  ${fault}`).join('\n')}`)

  // Zip files hold local dates: one that is the same in any time zone, and not before 1980.
  const dated = { mtime: new Date(1980, 0, 2), forceDosTimestamp: true }
  const entry = { ...dated, mode: 0o100644, compress: false }
  const zip = new yazl.ZipFile()
  const { outputStream } = zip as unknown as { outputStream: Readable }
  zip.on('error', (error: Error) => outputStream.destroy(error))
  zip.addBuffer(Buffer.from(metadataFile(metadata)), `metadata/${metadata.name}.yml`, entry)
  zip.addEmptyDirectory('migrations/v1/', { ...dated, mode: 0o40755 })
  for (const { path, file } of releases.toSorted((a, b) => (a.file < b.file ? -1 : 1))) zip.addFile(path, `releases/${file}`, entry)
  zip.end()
  mkdirSync(dirname(to), { recursive: true })
  const part = `${to}.part`
  try {
    await pipeline(outputStream, createWriteStream(part))
    renameSync(part, to)
  } finally {
    rmSync(part, { force: true })
  }
}
