// A release tarball in the format of `bosh create-release`: release.MF, jobs/*.tgz, packages/*.tgz, license.tgz, with BOSH's fingerprints.
import { createHash } from 'node:crypto'
import { globSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sha256, writeTar } from './archive.js'

/** Builds the release in `root` into the file `tarball`. The same sources give the same bytes. */
export async function createRelease({ root, version, tarball, commit, dirty }) {
  const { parse, stringify } = await import('yaml')
  const work = mkdtempSync(join(tmpdir(), 'mesh-release-'))
  try {
    for (const folder of ['jobs', 'packages']) mkdirSync(join(work, folder))
    const build = (kind, read) =>
      sequentially(readdirSync(join(root, kind)), async (name) => {
        const { files, more, chunks } = read(join(root, kind, name), parse(readFileSync(join(root, kind, name, 'spec'), 'utf8')))
        return { name, ...(await resource(join(work, kind, `${name}.tgz`), files, chunks)), ...more }
      })
    const manifest = {
      name: 'mesh',
      version,
      commit_hash: commit,
      uncommitted_changes: dirty,
      jobs: await build('jobs', jobFiles),
      packages: await build('packages', (folder, spec) => packageFiles(root, folder, spec)),
      license: await resource(join(work, 'license.tgz'), [{ path: 'LICENSE', file: join(root, 'LICENSE'), modeless: true }]),
      no_compression: false,
    }
    const archives = globSync(['jobs/*.tgz', 'packages/*.tgz', 'license.tgz'], { cwd: work })
    await writeTar(tarball, [
      { path: 'release.MF', content: stringify(manifest, { lineWidth: 0 }) },
      { path: 'LICENSE', file: join(root, 'LICENSE') },
      ...archives.map((path) => ({ path, file: join(work, path) })),
    ])
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

function jobFiles(folder, { templates, packages }) {
  const sources = Object.keys(templates).map((name) => `templates/${name}`)
  return {
    files: [{ path: 'job.MF', file: join(folder, 'spec') }, ...['monit', ...sources].map((path) => ({ path, file: join(folder, path) }))],
    more: { packages },
  }
}

/** The files of a package by its patterns, as `{path, file}`, from src/ and blobs/; `packaging` is the first. */
export function packageFiles(root, folder, { name, files: patterns, dependencies = [] }) {
  const found = new Map()
  for (const pattern of patterns) {
    const before = found.size
    for (const base of ['src', 'blobs']) {
      for (const path of globSync(pattern, { cwd: join(root, base) })) {
        const file = join(root, base, path)
        if (lstatSync(file).isFile() && !found.has(path)) found.set(path, { path, file })
      }
    }
    if (found.size === before) throw new Error(`package ${name}: no file matches ${pattern}`)
  }
  return {
    files: [{ path: 'packaging', file: join(folder, 'packaging'), modeless: true }, ...found.values()],
    more: { dependencies },
    chunks: dependencies,
  }
}

/** Archives files, and answers what release.MF says of them. */
async function resource(to, files, chunks = []) {
  const sorted = [...files].sort((a, b) => (a.path < b.path ? -1 : 1))
  const parts = await sequentially(sorted, async ({ path, file, modeless }) => {
    const mode = modeless ? '' : statSync(file).mode & 0o111 ? '100755' : '100644'
    return `${path}sha256:${await sha256(file)}${mode}`
  })
  const fingerprint = createHash('sha256')
    .update(['v2', ...parts, chunks.toSorted((a, b) => (a < b ? -1 : 1)).join(',')].join(''))
    .digest('hex')
  await writeTar(to, sorted)
  return { version: fingerprint, fingerprint, sha1: `sha256:${await sha256(to)}` }
}

async function sequentially(items, work) {
  const results = []
  for (const item of items) results.push(await work(item))
  return results
}
