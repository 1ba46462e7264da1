import type { Bound, Cell, Figure, Table } from './part.ts'

/** Three significant digits, with the spread of the rounds where there is one. */
export function figureText({ median, low, high, unit }: Figure): string {
  const spread = low === high ? '' : ` (${digits(low)}–${digits(high)})`
  return `${digits(median)}${unit === '×' ? ' ×' : ` ${unit}`}${spread}`
}

export function cellText(cell: Cell): string {
  return typeof cell === 'string' ? cell : figureText(cell)
}

/** A Markdown table, its columns aligned for those who read it as text. */
export function tableText({ title, columns, rows }: Table): string {
  const lines = [columns, ...rows.map((row) => row.map(cellText))]
  const widths = columns.map((_column, at) => Math.max(3, ...lines.map((line) => (line[at] ?? '').length)))
  const text = (line: string[]): string => `| ${widths.map((width, at) => (line[at] ?? '').padEnd(width)).join(' | ')} |`
  return [
    `**${title}**`,
    '',
    text(columns),
    `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`,
    ...lines.slice(1).map(text),
  ].join('\n')
}

export function boundText({ name, value, limit, ratio }: Bound): string {
  return `${held({ value, limit }) ? 'ok  ' : 'MISS'} ${name}: ${figureText(value)}, at most ${limit}${value.unit === '×' ? ' ×' : ` ${value.unit}`}${ratio ? '' : ' (a target, no failure)'}`
}

export function held({ value, limit }: Pick<Bound, 'value' | 'limit'>): boolean {
  return value.median <= limit
}

function digits(value: number): string {
  if (!Number.isFinite(value)) return '–'
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en')
  return String(Number(value.toPrecision(3)))
}
