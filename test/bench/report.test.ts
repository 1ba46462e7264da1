import { test } from 'tap'
import { svg } from '../../bench/plot.ts'
import { figure, quantile, ratio } from '../../bench/stats.ts'
import { boundText, figureText, held, tableText } from '../../bench/text.ts'

test('quantiles are interpolated, whatever the order', (t) => {
  t.equal(quantile([3, 1, 2], 0.5), 2)
  t.equal(quantile([0, 10], 0.95), 9.5)
  t.equal(quantile([7], 0.99), 7)
  t.end()
})

test('a figure is the median of the rounds with their spread', (t) => {
  t.same(figure([3, 1, 2], 'ms'), { median: 2, low: 1, high: 3, unit: 'ms' })
  t.equal(figureText(figure([1234.5, 1000, 2000], 'ms')), '1,235 ms (1,000–2,000)')
  t.equal(figureText(figure([0.12345], 'ms')), '0.123 ms')
  t.end()
})

test('a ratio is taken round by round, and holds by its median', (t) => {
  const value = ratio([2, 6, 4], [1, 2, 4])
  t.same(value, { median: 2, low: 1, high: 3, unit: '×' })
  t.ok(held({ value, limit: 2 }))
  t.notOk(held({ value, limit: 1.9 }))
  t.match(boundText({ name: 'cost', value, limit: 1.9, ratio: true }), /^MISS cost: 2 × \(1–3\), at most 1.9 ×$/)
  t.end()
})

test('a value that was not measured holds no bound', (t) => {
  t.notOk(held({ value: ratio([1], []), limit: 2 }))
  t.end()
})

test('tables are Markdown, plots are SVG', (t) => {
  t.equal(
    tableText({ title: 'T', columns: ['a', 'b'], rows: [['x', figure([1], 's')]] }),
    '**T**\n\n| a   | b   |\n|-----|-----|\n| x   | 1 s |',
  )
  const picture = svg({
    name: 'p',
    title: 'a < b',
    x: 'routes',
    y: 'ms',
    logarithmic: { x: true },
    series: [
      {
        name: 's',
        points: [
          [1000, 1],
          [100_000, 12],
        ],
      },
    ],
  })
  t.match(picture, /a &lt; b/)
  t.match(picture, /<polyline points="70\.0,/)
  t.notMatch(picture, /NaN|Infinity/)
  t.end()
})
