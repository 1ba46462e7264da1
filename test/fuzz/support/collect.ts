// Loaded by the programs under attack: at SIGUSR2 one collects its garbage, and writes its resident bytes beside its configuration.
import { writeFileSync } from 'node:fs'
import { argv } from 'node:process'

const tell = (): void => writeFileSync(`${argv.at(-1)}.memory`, String(process.memoryUsage.rss()))

const collect = globalThis.gc as (options: object) => void

process.on('SIGUSR2', () => {
  // Gives free pages back to the system, too.
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' })
  tell()
})
tell()
