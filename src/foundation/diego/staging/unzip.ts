import { createWriteStream } from 'node:fs'
import { chmod, mkdir, realpath, symlink } from 'node:fs/promises'
import { dirname, join, resolve, sep } from 'node:path'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import yauzl, { type Entry, type ZipFile } from 'yauzl'
import { messageOf, Problem } from '../../../common/problem.ts'
import { PackageInvalid } from './errors.ts'

export interface UnzipLimits {
  /** Bytes of all files unpacked. */
  size: number
  entries: number
}

const defaultLimits: UnzipLimits = { size: 2 * 1024 ** 3, entries: 200_000 }

const typeMask = 0o170000
const linkType = 0o120000

/** Unpacks a zip file into `folder`. Nothing lands outside it, and no link leads out. Throws `PackageInvalid`. */
export async function unzip(file: string, folder: string, limits = defaultLimits): Promise<void> {
  let zip: ZipFile | undefined
  try {
    zip = await yauzl.openPromise(file)
    await unpack(zip, await realpath(folder), limits)
  } catch (error) {
    throw error instanceof Problem ? error : PackageInvalid(messageOf(error))
  } finally {
    zip?.close()
  }
}

async function unpack(zip: ZipFile, folder: string, limits: UnzipLimits): Promise<void> {
  if (zip.entryCount > limits.entries) throw PackageInvalid(`it has more than ${limits.entries} entries`)
  const links: { path: string; target: string }[] = []
  let size = 0
  // yauzl refuses names that are absolute or have "..", and data longer than an entry's stated size.
  for await (const entry of zip.eachEntry()) {
    const path = join(folder, entry.fileName)
    size += entry.uncompressedSize
    if (size > limits.size) throw PackageInvalid(`it unpacks to more than ${limits.size} bytes`)
    if (entry.fileName.endsWith('/')) {
      await mkdir(path, { recursive: true })
      continue
    }
    if ((modeOf(entry) & typeMask) === linkType) {
      links.push({ path, target: await text(await zip.openReadStreamPromise(entry)) })
      continue
    }
    await mkdir(dirname(path), { recursive: true })
    await pipeline(await zip.openReadStreamPromise(entry), createWriteStream(path))
    await chmod(path, (modeOf(entry) & 0o777) | 0o600)
  }
  // Links come last, so that no file is written through one.
  for (const { path, target } of links) await link(path, target, folder)
}

async function link(path: string, target: string, folder: string): Promise<void> {
  const outside = PackageInvalid(`the link ${path.slice(folder.length + 1)} leads out of it`)
  const within = (place: string): boolean => place === folder || place.startsWith(folder + sep)
  if (!within(resolve(dirname(path), target))) throw outside
  await mkdir(dirname(path), { recursive: true })
  if (!within(await realpath(dirname(path)))) throw outside
  await symlink(target, path)
  // Through other links it may lead elsewhere than it says; one to nothing is kept.
  const end = await realpath(path).catch(() => folder)
  if (!within(end)) throw outside
}

/** The Unix mode, if the zip was made where there is one. */
const modeOf = ({ externalFileAttributes }: Entry): number => externalFileAttributes >>> 16 || 0o644
