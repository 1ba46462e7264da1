/** A measured value over the rounds. */
export interface Figure {
  median: number
  low: number
  high: number
  /** `ms`, `µs`, `s`, `MB`, `KB`, `/s`, … */
  unit: string
}

export type Cell = string | Figure

export interface Table {
  title: string
  columns: string[]
  rows: Cell[][]
}

/** One line a series over a shared axis. */
export interface Plot {
  /** Name of its file, without `.svg`. */
  name: string
  title: string
  x: string
  y: string
  /** Both axes in powers of ten, or from 0. */
  logarithmic?: { x?: boolean; y?: boolean }
  series: { name: string; points: [x: number, y: number][] }[]
}

/** What was measured against what it may be at most. */
export interface Bound {
  name: string
  value: Figure
  limit: number
  /** A bound that a run fails on: a ratio of two things measured side by side, never an absolute time. */
  ratio: boolean
}

export interface Result {
  tables: Table[]
  plots: Plot[]
  bounds: Bound[]
  /** Conditions that a reader has to know. */
  notes: string[]
}

export interface Context {
  /** The form for CI: minutes, small sizes, ratios only. */
  short: boolean
  rounds: number
  /** Sizes to use in place of a part's own. */
  sizes: number[] | undefined
  /** Says what is being done. */
  say: (line: string) => void
}

/** One thing that is measured; a file of its own, named in `parts.ts`. */
export interface Part {
  name: string
  summary: string
  /** Throws `Skipped` where something that it needs is absent. */
  run: (context: Context) => Promise<Result>
}

/** What a part needs is not on this machine. */
export class Skipped extends Error {}
