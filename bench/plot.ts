import type { Plot } from './part.ts'

const width = 720
const height = 360
const margin = { left: 70, right: 170, top: 40, bottom: 50 }
/** Okabe and Ito's colours, which people with any colour vision can tell apart. */
const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000']

/** A line chart as an SVG file that reads on light and dark pages. */
export function svg({ title, x, y, series, logarithmic = {} }: Plot): string {
  const xs = series.flatMap(({ points }) => points.map(([value]) => value))
  const ys = series.flatMap(({ points }) => points.map(([, value]) => value))
  const across = axis(xs, logarithmic.x ?? false, margin.left, width - margin.right)
  const up = axis(ys, logarithmic.y ?? false, height - margin.bottom, margin.top)
  const parts = [
    `<text x="${margin.left}" y="20" font-size="15" font-weight="bold">${escaped(title)}</text>`,
    ...across.ticks.map(
      (tick) =>
        `<line x1="${across.at(tick)}" y1="${margin.top}" x2="${across.at(tick)}" y2="${height - margin.bottom}" stroke="#ddd"/><text x="${across.at(tick)}" y="${height - margin.bottom + 18}" text-anchor="middle">${label(tick)}</text>`,
    ),
    ...up.ticks.map(
      (tick) =>
        `<line x1="${margin.left}" y1="${up.at(tick)}" x2="${width - margin.right}" y2="${up.at(tick)}" stroke="#ddd"/><text x="${margin.left - 8}" y="${up.at(tick) + 4}" text-anchor="end">${label(tick)}</text>`,
    ),
    `<text x="${(margin.left + width - margin.right) / 2}" y="${height - 12}" text-anchor="middle">${escaped(x)}</text>`,
    `<text transform="translate(16 ${height / 2}) rotate(-90)" text-anchor="middle">${escaped(y)}</text>`,
    ...series.map(({ name, points }, at) => {
      const colour = colours[at % colours.length]
      const line = points.map(([px, py]) => `${across.at(px).toFixed(1)},${up.at(py).toFixed(1)}`).join(' ')
      const dots =
        points.length > 40
          ? ''
          : points
              .map(([px, py]) => `<circle cx="${across.at(px).toFixed(1)}" cy="${up.at(py).toFixed(1)}" r="3" fill="${colour}"/>`)
              .join('')
      return `<polyline points="${line}" fill="none" stroke="${colour}" stroke-width="2"/>${dots}<text x="${width - margin.right + 12}" y="${margin.top + 8 + at * 18}" fill="${colour}">${escaped(name)}</text>`
    }),
  ]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12"><rect width="${width}" height="${height}" fill="#fff"/>\n${parts.join('\n')}\n</svg>\n`
}

interface Axis {
  at: (value: number) => number
  ticks: number[]
}

function axis(values: number[], logarithmic: boolean, from: number, to: number): Axis {
  const [low, high] = [Math.min(...values), Math.max(...values)]
  if (logarithmic) {
    const [first, last] = [Math.floor(Math.log10(low)), Math.max(Math.ceil(Math.log10(high)), Math.floor(Math.log10(low)) + 1)]
    return {
      at: (value) => from + ((Math.log10(value) - first) / (last - first)) * (to - from),
      ticks: Array.from({ length: last - first + 1 }, (_, at) => 10 ** (first + at)),
    }
  }
  const step = 10 ** Math.floor(Math.log10(high || 1))
  const spacing = [step / 5, step / 2, step, step * 2].find((spacing) => high / spacing <= 7) ?? step * 2
  const top = Math.ceil(high / spacing || 1) * spacing
  return {
    at: (value) => from + (value / top) * (to - from),
    ticks: Array.from({ length: Math.round(top / spacing) + 1 }, (_, at) => at * spacing),
  }
}

const label = (value: number): string => Number(value.toPrecision(3)).toLocaleString('en')

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
