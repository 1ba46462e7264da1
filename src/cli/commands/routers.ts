import { examples, present, watchOption, type Register } from '../cli.ts'
import type { Output } from '../output.ts'
import type { Router } from '../types.ts'
import { since, span } from '../words.ts'

/** `routers`. */
export const routers: Register = (program, cli) => {
  const command = program
    .command('routers')
    .summary('routers, how far each follows, and what it refuses')
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
    ['routers --json', 'for programs, with what each has acknowledged'],
  ])
}

function show(routers: Router[], out: Output): string {
  const list = out.table(
    [
      { title: 'ROUTER', value: ({ name }) => name },
      { title: 'PILOT', value: ({ pilot }) => pilot },
      { title: 'ZONE', value: ({ zone }) => zone ?? '-' },
      { title: 'ADDRESS', value: ({ address }) => address ?? '-' },
      { title: 'CONNECTED', value: ({ connectedSince }) => since(connectedSince), right: true },
      { title: 'LAG', value: ({ lag }) => (lag === undefined ? '-' : span(lag)), right: true },
      { title: 'REFUSED', value: ({ refusals = 0 }) => (refusals ? out.style('red', String(refusals)) : '0'), right: true },
    ],
    routers,
  )
  const refused = routers.flatMap(({ name: router, refused = [] }) =>
    refused.map(({ typeUrl, name, reason }) =>
      out.style('red', `${router} refuses the ${typeUrl.split('.').at(-1)} ${name} and goes on without this change: ${reason}`),
    ),
  )
  return [list, ...(refused.length ? ['', ...refused] : [])].join('\n')
}
