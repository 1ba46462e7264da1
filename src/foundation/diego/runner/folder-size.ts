import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'

/** Bytes of all files beneath a folder; links count as themselves. */
export async function folderSize(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  let size = 0
  for (const entry of entries) if (entry.isFile()) size += (await lstat(join(entry.parentPath, entry.name))).size
  return size
}
