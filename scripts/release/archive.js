// Archives that are the same for the same files: sorted, owned by root, dated 1980, and executable or not.
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'

const dated = new Date('1980-01-01T00:00:00Z')

/** Writes a tar file; `entries` are `{path, file}` or `{path, content}`. Compressed where `to` ends in .tgz. */
export async function writeTar(to, entries) {
  const { Header } = await import('tar')
  const sorted = [...entries].sort((a, b) => (a.path < b.path ? -1 : 1))
  const folders = [...new Set(sorted.flatMap(({ path }) => parents(path)))]

  async function* tar() {
    const put = (entry) => {
      const header = new Header({ uid: 0, gid: 0, mtime: dated, ...entry })
      if (header.encode()) throw new Error(`${entry.path} is too long for a tar header`)
      return header.block
    }
    for (const folder of folders) yield put({ path: `${folder}/`, type: 'Directory', mode: 0o755, size: 0 })
    for (const { path, file, content } of sorted) {
      const stat = file && statSync(file)
      const size = stat ? stat.size : Buffer.byteLength(content)
      yield put({ path, type: 'File', size, mode: stat && stat.mode & 0o111 ? 0o755 : 0o644 })
      if (file) yield* createReadStream(file)
      else yield Buffer.from(content)
      yield Buffer.alloc((512 - (size % 512)) % 512)
    }
    yield Buffer.alloc(1024)
  }
  const compress = to.endsWith('.tgz') ? [createGzip()] : []
  await pipeline(tar, ...compress, createWriteStream(to))
}

/** The SHA-256 of a file, in hex. */
export async function sha256(file) {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return hash.digest('hex')
}

function parents(path) {
  const folder = dirname(path)
  return folder === '.' ? [] : [...parents(folder), folder]
}
