import * as fc from 'fast-check'
import { stripVTControlCharacters } from 'node:util'
import { test } from 'tap'
import { Output } from '../../src/cli/output.ts'
import { table } from '../../src/cli/table.ts'

const columns = ['ONE', 'TWO', 'THREE'].map((title, position) => ({
  title,
  value: (row: string[]) => row[position],
  right: position === 1,
}))

test('columns stand under their titles, numbers at the right', (t) => {
  t.equal(
    table(columns, [
      ['a', '1', 'x'],
      ['bbbb', '22', ''],
    ]),
    'ONE   TWO  THREE\na       1  x\nbbbb   22',
  )
  t.end()
})

test('the widest column gives way to the width', (t) => {
  t.equal(
    table(columns, [['a'.repeat(30), '1', 'x']], { width: 24 }),
    `ONE${' '.repeat(10)}  TWO  THREE\n${'a'.repeat(11)}…    1  x`.replace(' '.repeat(10), ' '.repeat(9)),
  )
  t.end()
})

test('no line is wider than the terminal where there is room for every column, and colours do not count', (t) => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.string(), fc.string(), fc.string())), fc.integer({ min: 40, max: 120 }), (rows, width) => {
      const coloured = rows.map(([a, b, c]) => [`\x1b[31m${a.replaceAll(/\p{C}/gu, '')}\x1b[39m`, b.replaceAll(/\p{C}/gu, ''), c])
      for (const line of table(columns, coloured, { width }).split('\n')) t.ok(Array.from(stripVTControlCharacters(line)).length <= width)
    }),
    { numRuns: 50 },
  )
  t.end()
})

test('a name cannot steer the terminal', (t) => {
  t.equal(table(columns, [['a\x1b]0;title\x07b\nc\x1b[2J', '', '']]).split('\n')[1], 'a]0;titlebc[2J')
  t.end()
})

test('colours are for terminals, and not with NO_COLOR', (t) => {
  const screen = { write: () => true, isTTY: true }
  t.match(new Output(screen, {}).style('red', 'x'), '\x1b[31m')
  t.equal(new Output(screen, { NO_COLOR: '1' }).style('red', 'x'), 'x')
  t.equal(new Output(screen, { TERM: 'dumb' }).style('red', 'x'), 'x')
  t.equal(new Output({ write: () => true }, {}).style('red', 'x'), 'x')
  t.end()
})
