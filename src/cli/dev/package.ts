import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { ZipFile } from 'yazl'
import { messageOf, problem } from '../../common/problem.ts'
import { FileUnreadable } from '../problems.ts'

export const NothingToPush = problem(
  'MESHCTL_NOTHING_TO_PUSH',
  422,
  (folder: string) => `${folder} has no files to push; name the app's folder with --path`,
)

const left = new Set(['.git', '.svn', '.hg', '.DS_Store', '.cfignore', '.mesh'])

/**
 * Zips a folder as `cf push` does: everything in it but version control. Throws `MESHCTL_NOTHING_TO_PUSH` where it is empty,
 * `MESHCTL_FILE_UNREADABLE` where it is none.
 */
export async function zipFolder(folder: string): Promise<Buffer> {
  const zip = new ZipFile()
  let files = 0
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((error: unknown) => {
    throw FileUnreadable('--path', folder, messageOf(error))
  })
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name)
    const name = path.slice(folder.length).replace(/^\/+/, '')
    if (!entry.isFile() || name.split('/').some((part) => left.has(part))) continue
    const { mode, mtime } = await stat(path)
    zip.addReadStreamLazy(name, { mode, mtime }, (done) => done(null, createReadStream(path)))
    files++
  }
  if (!files) throw NothingToPush(folder)
  zip.end()
  return buffer(zip.outputStream)
}
