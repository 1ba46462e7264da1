import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * Below where Linux takes ports for outgoing connections (32768), so that none is taken between here and the app's listen; above those of
 * our programs.
 */
const first = 20_000
const last = 32_767

let lastGiven = first + Math.floor(Math.random() * (last - first))

/** A TCP port that nothing listens on; not given again until all others were. */
export async function freePort(): Promise<number> {
  for (let attempt = first; attempt <= last; attempt++) {
    lastGiven = lastGiven < last ? lastGiven + 1 : first
    if (await isFree(lastGiven)) return lastGiven
  }
  throw new Error(`no free port between ${first} and ${last}`)
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    server.listen(port)
    await once(server, 'listening')
    return true
  } catch {
    return false
  } finally {
    server.close()
  }
}
