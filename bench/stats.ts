import type { Figure } from './part.ts'

/** The value below which a share `q` of `values` lies, interpolated. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (sorted.length - 1) * q
  const below = sorted[Math.floor(at)] ?? Number.NaN
  const above = sorted[Math.ceil(at)] ?? Number.NaN
  return below + (above - below) * (at % 1)
}

/** The median of the rounds, and how far they spread. */
export function figure(values: readonly number[], unit: string): Figure {
  return { median: quantile(values, 0.5), low: Math.min(...values), high: Math.max(...values), unit }
}

/** Round by round, one over the other. */
export function ratio(over: readonly number[], under: readonly number[]): Figure {
  return figure(
    over.map((value, round) => value / (under[round] ?? Number.NaN)),
    '×',
  )
}
