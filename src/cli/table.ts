import { stripVTControlCharacters } from 'node:util'

export interface Column<Row> {
  title: string
  value: (row: Row) => string | number | undefined
  /** Numbers stand at the right. */
  right?: boolean
}

const gap = '  '
/** A colour, or another control character. */
const controls = new RegExp(`(${String.fromCharCode(27)}\\[[0-9;]*m)|\\p{Cc}`, 'gu')
/** A column is not made narrower than this. */
const narrowest = 8

/** Rows as a table that fits `width`: the widest columns give way, `…` marks what was cut. Cells may be coloured. */
export function table<Row>(columns: Column<Row>[], rows: Row[], { width = Infinity, bold = (text: string) => text } = {}): string {
  const cells = rows.map((row) => columns.map(({ value }) => safe(String(value(row) ?? ''))))
  const widths = fit(
    columns.map(({ title }, position) => Math.max(title.length, ...cells.map((row) => length(row[position]!)))),
    width,
  )
  const line = (values: string[], style = (text: string) => text): string =>
    values
      .map((value, position) => style(pad(cut(value, widths[position]!), widths[position]!, columns[position]!.right)))
      .join(gap)
      .trimEnd()
  return [
    line(
      columns.map(({ title }) => title),
      bold,
    ),
    ...cells.map((row) => line(row)),
  ].join('\n')
}

function fit(widths: number[], width: number): number[] {
  const fitted = [...widths]
  let excess = fitted.reduce((sum, one) => sum + one, 0) + gap.length * (fitted.length - 1) - width
  while (excess > 0) {
    const widest = Math.max(...fitted)
    if (widest <= narrowest) break
    fitted[fitted.indexOf(widest)] = widest - 1
    excess--
  }
  return fitted
}

const letters = (text: string): string[] => Array.from(stripVTControlCharacters(text))
const length = (text: string): number => letters(text).length

function cut(text: string, width: number): string {
  return length(text) <= width
    ? text
    : `${letters(text)
        .slice(0, width - 1)
        .join('')}…`
}

function pad(text: string, width: number, right = false): string {
  const space = ' '.repeat(width - length(text))
  return right ? space + text : text + space
}

/** Names come from others: what would steer the terminal, except colours, is left out. */
function safe(text: string): string {
  return text.replaceAll(controls, '$1')
}
