import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Result } from './part.ts'
import { svg } from './plot.ts'
import { boundText, tableText } from './text.ts'

const page = resolve(import.meta.dirname, '../docs/benchmarks.md')
const folder = resolve(import.meta.dirname, '../docs/benchmarks')

export interface Machine {
  cpu: string
  cores: number
  memoryGb: number
  node: string
  version: string
  date: string
  /** Load average of the last minute before the run. */
  loadBefore: number
}

/** Puts each part's results between its markers in docs/benchmarks.md, with its plots beside. */
export function save(machine: Machine, results: Record<string, Result>): void {
  mkdirSync(folder, { recursive: true })
  for (const [part, result] of Object.entries(results)) {
    for (const plot of result.plots) writeFileSync(join(folder, `${plot.name}.svg`), svg(plot))
    const { cpu, cores, memoryGb, node, date, loadBefore } = machine
    const lines = [
      `*${date.slice(0, 16).replace('T', ' ')} UTC; ${cores} cores of ${cpu}, ${memoryGb} GB; Node ${node}; load before the run ${loadBefore.toFixed(1)}.*`,
      ...result.tables.map(tableText),
      ...result.plots.map(({ name, title }) => `![${title}](benchmarks/${name}.svg)`),
      result.bounds.map((bound) => `- ${boundText(bound)}`).join('\n'),
      ...result.notes,
    ]
    const [begin, end] = [`<!-- ${part} -->`, `<!-- end of ${part} -->`]
    const text = readFileSync(page, 'utf8')
    const [before, rest] = [text.slice(0, text.indexOf(begin)), text.slice(text.indexOf(end))]
    if (!text.includes(begin) || !text.includes(end)) throw new Error(`docs/benchmarks.md has no ${begin} … ${end}`)
    writeFileSync(page, `${before}${begin}\n${lines.filter(Boolean).join('\n\n')}\n${rest}`)
  }
}
