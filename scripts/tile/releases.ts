import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { list } from 'tar'
import { EnvHttpProxyAgent, fetch } from 'undici'
import { parse } from 'yaml'

const root = resolve(import.meta.dirname, '../..')

/** The tarball of a release, on this machine. */
export interface Tarball {
  name: string
  version: string
  path: string
}

/** A release of others that the tile carries, as tile/releases.yml pins it. */
export interface Pin {
  name: string
  version: string
  url: string
  /** `sha1:HEX` or `sha256:HEX` of the tarball. */
  digest: string
}

/** What tile/releases.yml pins, or another file of that kind. Throws with the place of what is wrong in it. */
export function pins(file = join(root, 'tile/releases.yml')): Pin[] {
  const list = parse(readFileSync(file, 'utf8')) as unknown
  if (!Array.isArray(list)) throw new Error(`${file}: must be a list of releases`)
  for (const [index, pin] of list.entries()) {
    const { name, version, url, digest } = pin as Partial<Record<keyof Pin, unknown>>
    for (const [field, value] of Object.entries({ name, version, url }))
      if (typeof value !== 'string' || !value) throw new Error(`${file}: [${index}].${field}: must be a string`)
    if (typeof digest !== 'string' || !/^sha(1:[0-9a-f]{40}|256:[0-9a-f]{64})$/.test(digest))
      throw new Error(`${file}: [${index}].digest: must be sha1:HEX or sha256:HEX`)
  }
  return list as Pin[]
}

/** Reads name and version from a release tarball. Throws where it is none. */
export async function readTarball(path: string): Promise<Tarball> {
  const chunks: Buffer[] = []
  try {
    await list({
      file: path,
      strict: true,
      onReadEntry: (entry) => {
        if (entry.path.replace(/^\.\//, '') === 'release.MF') entry.on('data', (chunk: Buffer) => chunks.push(chunk))
      },
    })
  } catch (error) {
    throw new Error(`${path} is not a release tarball: ${(error as Error).message}`, { cause: error })
  }
  const { name, version } = (parse(Buffer.concat(chunks).toString()) ?? {}) as { name?: string; version?: string | number }
  if (!name || !version) throw new Error(`${path} is not a release tarball: it has no release.MF with name and version`)
  return { name, version: `${version}`, path }
}

/** Our own release, which `npm run release` makes of this checkout. */
export async function ownRelease(): Promise<Tarball> {
  const { status, stdout } = spawnSync('npm', ['run', '--silent', 'release'], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  process.stderr.write(stdout)
  if (status !== 0) throw new Error('npm run release did not make the release; its messages are above')
  const [, made = ''] = /^(.+\.tgz): mesh \S+$/.exec(stdout.trim().split('\n').at(-1) ?? '') ?? []
  return readTarball(made)
}

/** The tarballs of pinned releases. Throws with all that are missing or wrong. */
export async function pinnedReleases(pins: Pin[], folder?: string): Promise<Tarball[]> {
  const found = await Promise.allSettled(pins.map((pin) => pinnedRelease(pin, folder)))
  const faults = found.flatMap((one) => (one.status === 'rejected' ? [(one.reason as Error).message] : []))
  if (faults.length) throw new Error(faults.join('\n'))
  return found.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
}

/** The tarball of a pinned release: from vendor/releases, or downloaded there. Throws where its digest is another. */
export async function pinnedRelease(pin: Pin, folder = join(root, 'vendor/releases')): Promise<Tarball> {
  const path = join(folder, `${pin.name}-${pin.version}.tgz`)
  if (!existsSync(path)) await download(pin, path)
  await verify(pin, path)
  const tarball = await readTarball(path)
  if (tarball.name !== pin.name || tarball.version !== pin.version)
    throw new Error(`${path} is ${tarball.name} ${tarball.version}, not ${pin.name} ${pin.version}`)
  return tarball
}

async function download(pin: Pin, path: string): Promise<void> {
  console.error(`Fetching ${pin.name} ${pin.version} from ${pin.url} …`)
  const part = `${path}.part`
  mkdirSync(dirname(path), { recursive: true })
  try {
    const answer = await fetch(pin.url, { dispatcher: new EnvHttpProxyAgent() })
    if (!answer.ok || !answer.body) throw new Error(`it answers ${answer.status}`)
    await pipeline(Readable.fromWeb(answer.body), createWriteStream(part))
    await verify(pin, part)
    renameSync(part, path)
  } catch (error) {
    const { message, cause } = error as Error
    const why = cause instanceof Error ? cause.message : message
    throw new Error(`${pin.name} ${pin.version} could not be fetched from ${pin.url}: ${why}. Put it there yourself: ${path}`, {
      cause: error,
    })
  } finally {
    rmSync(part, { force: true })
  }
}

async function verify({ name, version, digest }: Pin, path: string): Promise<void> {
  const [algorithm = '', expected] = digest.split(':')
  const hash = createHash(algorithm)
  await pipeline(createReadStream(path), hash)
  const found = hash.digest('hex')
  if (found !== expected) throw new Error(`${name} ${version}: ${path} has the ${algorithm} ${found}, expected ${expected}`)
}
