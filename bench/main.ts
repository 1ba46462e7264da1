// npm run bench -- [PART…] [--json] [--short] [--save]: see docs/benchmarks.md.
import { cpus, loadavg, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { version } from '../src/common/version.ts'
import { Skipped, type Result } from './part.ts'
import { parts } from './parts.ts'
import { save } from './save.ts'
import { boundText, held, tableText } from './text.ts'

const { values: options, positionals: names } = parseArgs({
  allowPositionals: true,
  options: {
    /** One JSON object on standard output in place of text. */
    json: { type: 'boolean', default: false },
    /** The form for CI. */
    short: { type: 'boolean', default: false },
    /** Interleaved rounds; 3. */
    rounds: { type: 'string', default: '3' },
    /** Numbers of routes, by comma, in place of a part's own. */
    sizes: { type: 'string' },
    /** Writes the results into docs/benchmarks.md and its plots. */
    save: { type: 'boolean', default: false },
  },
})
const unknown = names.filter((name) => !parts.some((part) => part.name === name))
if (unknown.length) {
  console.error(
    `No part is called ${unknown.join(', ')}. There are:\n${parts.map(({ name, summary }) => `  ${name.padEnd(14)}${summary}`).join('\n')}`,
  )
  process.exit(2)
}

const began = new Date()
const print = options.json ? console.error : console.log
const machine = {
  cpu: cpus()[0]?.model ?? '',
  cores: cpus().length,
  memoryGb: Math.round(totalmem() / 2 ** 30),
  node: process.version,
  version,
  date: began.toISOString(),
  loadBefore: loadavg()[0] ?? 0,
}
const results: Record<string, Result> = {}
const failed: string[] = []
let passed = 0
for (const part of parts) {
  if (names.length && !names.includes(part.name)) continue
  print(`\n=== ${part.name}: ${part.summary}`)
  const context = {
    short: options.short,
    rounds: Number(options.rounds),
    sizes: options.sizes?.split(',').map(Number),
    say: (line: string) => console.error(`${((Date.now() - began.getTime()) / 1000).toFixed(0).padStart(5)} s  ${line}`),
  }
  try {
    const result = await part.run(context)
    results[part.name] = result
    for (const table of result.tables) print(`\n${tableText(table)}`)
    print('')
    for (const bound of result.bounds) print(boundText(bound))
    for (const note of result.notes) print(note)
    for (const bound of result.bounds) if (bound.ratio && !held(bound)) failed.push(`${part.name}: ${bound.name}`)
    passed += result.bounds.filter(held).length
  } catch (error) {
    if (!(error instanceof Skipped)) throw error
    print(`skipped: ${error.message}`)
  }
}
if (options.json) console.log(JSON.stringify({ machine, results }, undefined, 2))
if (options.save) save(machine, results)
print(`\n${passed} passed, ${failed.length} failed`)
process.exit(failed.length ? 1 : 0)
