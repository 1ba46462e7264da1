// Loaded by the programs under attack: at SIGUSR2 one collects its garbage, and writes its resident bytes beside its configuration.
import { writeFileSync } from 'node:fs'
import { argv } from 'node:process'
import { isMainThread } from 'node:worker_threads'

const tell = (): void => writeFileSync(`${argv.at(-1)}.memory`, String(process.memoryUsage.rss()))

const collect = globalThis.gc as (options: object) => void

if (isMainThread) {
  process.on('SIGUSR2', () => {
    // Gives free pages back to the system, too.
    collect({ type: 'major', execution: 'sync', flavor: 'last-resort' })
    tell()
  })
  tell()
}
