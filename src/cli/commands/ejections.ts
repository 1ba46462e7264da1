import { examples, present, watchOption, type Register } from '../cli.ts'
import type { Output } from '../output.ts'
import type { Ejection } from '../types.ts'
import { nameOf, since, span } from '../words.ts'
import { scoped, scopeQuery, type ScopeOptions } from './scope.ts'

/** `ejections`. */
export const ejections: Register = (program, cli) => {
  const command = scoped(program.command('ejections'))
    .summary('instances that routers leave out because they failed')
    .description('Instances that outlier detection has ejected (open), or asks again on trial (half-open), router by router')
    .option(...watchOption)
    .action(async (options: ScopeOptions) =>
      present(command, cli, {
        read: (api) => api.get<{ items: Ejection[] }>('/v1/ejections', scopeQuery(options)).then(({ items }) => items),
        show: (found, out) => (found.length ? show(found, out) : 'no instance is ejected'),
      }),
    )
  examples(command, [
    ['ejections', 'those of all routes that you may see'],
    ['ejections --app hello --watch', 'those of an app, again whenever they change'],
    ['ejections --space dev --json', 'for programs'],
  ])
}

function show(ejections: Ejection[], out: Output): string {
  return out.table(
    [
      { title: 'ROUTE', value: ({ route, service, subset }) => `${route ?? service}${subset === undefined ? '' : ` (${subset})`}` },
      { title: 'APP', value: ({ app }) => nameOf(app) },
      { title: 'INDEX', value: ({ index }) => index ?? '-', right: true },
      { title: 'STATE', value: ({ state }) => out.style(state === 'open' ? 'red' : 'yellow', state) },
      { title: 'SINCE', value: (ejection) => since(ejection.since), right: true },
      { title: 'FOR', value: ({ state, until }) => (state === 'open' ? span((Date.parse(until) - Date.now()) / 1000) : '-'), right: true },
      { title: 'TIMES', value: ({ times }) => times, right: true },
      { title: 'CAUSE', value: ({ cause }) => cause },
      { title: 'ROUTER', value: ({ router }) => router },
      { title: 'INSTANCE', value: ({ instance }) => instance },
    ],
    ejections.toSorted(
      (a, b) =>
        (a.route ?? a.service ?? '').localeCompare(b.route ?? b.service ?? '') ||
        nameOf(a.app).localeCompare(nameOf(b.app)) ||
        (a.index ?? 0) - (b.index ?? 0),
    ),
  )
}
