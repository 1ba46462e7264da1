import { styleText } from 'node:util'
import { table, type Column } from './table.ts'

type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow'

/** A stream that people may look at. */
export interface Screen {
  write(text: string): unknown
  isTTY?: boolean
  columns?: number
}

/** Writes what commands have to say, with colours only for a terminal and not with NO_COLOR. */
export class Output {
  readonly #screen: Screen
  readonly #colours: boolean

  constructor(screen: Screen, environment: NodeJS.ProcessEnv) {
    this.#screen = screen
    this.#colours = Boolean(screen.isTTY) && !environment['NO_COLOR'] && environment['TERM'] !== 'dumb'
  }

  get isTerminal(): boolean {
    return Boolean(this.#screen.isTTY)
  }

  style(style: Style, text: string): string {
    return this.#colours ? styleText(style, text, { validateStream: false }) : text
  }

  table<Row>(columns: Column<Row>[], rows: Row[]): string {
    return table(columns, rows, { width: this.#screen.columns, bold: (text) => this.style('bold', text) })
  }

  write(text: string): void {
    this.#screen.write(text.endsWith('\n') ? text : `${text}\n`)
  }

  json(value: unknown): void {
    this.write(JSON.stringify(value, null, this.isTerminal ? 2 : undefined))
  }

  /** Begins a new picture of the same thing. */
  clear(): void {
    if (this.isTerminal) this.#screen.write('\x1b[H\x1b[2J\x1b[3J')
  }
}
