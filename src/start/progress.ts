import { styleText } from 'node:util'

const coloured = process.stdout.isTTY && !process.env['NO_COLOR']
type Style = Parameters<typeof styleText>[0]

/** `text` in a colour, where standard output is a terminal. */
export function paint(style: Style, text: string): string {
  return coloured ? styleText(style, text) : text
}

/** Does one step of the start and tells about it: a line when it is done, with the time it took. */
export async function step<Result>(what: string, work: () => Promise<Result> | Result): Promise<Result> {
  const began = performance.now()
  if (coloured) process.stdout.write(`  … ${what}`)
  const result = await work()
  const took = `${((performance.now() - began) / 1000).toFixed(1)} s`
  process.stdout.write(`${coloured ? '\r' : ''}  ${paint('green', '✓')} ${what} ${paint('gray', took)}\n`)
  return result
}
