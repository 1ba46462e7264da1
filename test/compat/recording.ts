import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Heading {
  program: string
  version: string
  /** When it was recorded. */
  date: string
}

/** A recording: what it is of, and its lines in order. */
export function recording<Line>(name: string): { heading: Heading; lines: Line[] } {
  const [first, ...lines] = readFileSync(join(import.meta.dirname, 'recordings', `${name}.ndjson`), 'utf8')
    .trim()
    .split('\n')
  return { heading: JSON.parse(first!) as Heading, lines: lines.map((line) => JSON.parse(line) as Line) }
}
