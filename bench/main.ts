// npm run bench -- [PART…] [--json] [--short] [--save]: see docs/benchmarks.md.
import { cpus, loadavg, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { version } from '../src/common/version.ts'
import { Skipped, type Result } from './part.ts'
import { parts } from './parts.ts'
import { save } from './save.ts'
import { boundText, held, tableText } from './text.ts'

const usage = `Measures what docs/benchmarks.md shows; needs a machine with nothing else to do.

  npm run bench [-- PART…] [--short] [--rounds N] [--sizes N,…] [--json] [--save]

  PART         ${parts.map(({ name, summary }) => `${name.padEnd(14)}${summary}`).join('\n               ')}
  --short      minutes in place of an hour, as CI runs it
  --rounds N   interleaved rounds (3)
  --sizes N,…  numbers of routes in place of a part's own
  --json       one JSON object on standard output in place of text
  --save       writes the results into docs/benchmarks.md and its plots

  npm run bench -- propagation --sizes 1000,10000`

const { values: options, positionals: names } = parseArgs({
  allowPositionals: true,
  options: {
    help: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    short: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '3' },
    sizes: { type: 'string' },
    save: { type: 'boolean', default: false },
  },
})
const unknown = names.filter((name) => !parts.some((part) => part.name === name))
if (options.help || unknown.length) {
  console.log(unknown.length ? `There is no part ${unknown.join(', ')}.\n\n${usage}` : usage)
  process.exit(options.help ? 0 : 2)
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
