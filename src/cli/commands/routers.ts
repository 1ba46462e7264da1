import { examples, present, watchOption, type Register } from '../cli.ts'
import type { Output } from '../output.ts'
import type { Router } from '../types.ts'

const known = new Set(['name', 'pilot'])

/** `routers`. */
export const routers: Register = (program, cli) => {
  const command = program
    .command('routers')
    .summary('routers, and how far each follows')
    .option(...watchOption)
    .action(async () =>
      present(command, cli, {
        read: (api) => api.get<{ items: Router[] }>('/v1/routers').then(({ items }) => items),
        show: (found, out) => (found.length ? show(found, out) : 'no router is connected to a pilot'),
      }),
    )
  examples(command, [
    ['routers', 'every router that holds a stream of a pilot'],
    ['routers --watch', 'again whenever something changes'],
  ])
}

/** Whatever pilot tells of its routers, a column each. */
function show(routers: Router[], out: Output): string {
  const details = [...new Set(routers.flatMap((router) => Object.keys(router)))].filter((name) => !known.has(name))
  return out.table<Router>(
    [
      { title: 'ROUTER', value: ({ name }) => name },
      { title: 'PILOT', value: ({ pilot }) => pilot },
      ...details.map((name) => ({ title: heading(name), value: (router: Router) => cell(router[name]), right: routers.every((router) => typeof router[name] === 'number') })),
    ],
    routers,
  )
}

/** `lastAck` → `LAST ACK`. */
const heading = (name: string): string => name.replaceAll(/([A-Z])/g, ' $1').toUpperCase()

function cell(value: unknown): string | number {
  if (value === undefined || value === null) return '-'
  if (Array.isArray(value)) return value.length
  return typeof value === 'number' || typeof value === 'string' ? value : JSON.stringify(value)
}
