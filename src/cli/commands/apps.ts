import { examples, present, watchOption, type Register } from '../cli.ts'
import type { App } from '../types.ts'
import { labelsOf, ownerOf } from '../words.ts'
import { scoped, scopeQuery, type ScopeOptions } from './scope.ts'

/** `apps [NAME]`. */
export const apps: Register = (program, cli) => {
  const command = scoped(program.command('apps').argument('[name]', 'name or guid'), { app: false })
    .summary('apps, their processes and routes')
    .option(...watchOption)
    .action(async (name: string | undefined, options: ScopeOptions) =>
      present(command, cli, {
        read: (api) => api.list<App>('/v1/apps', { ...scopeQuery(options), name }),
        show: (found, out) =>
          found.length
            ? out.table(
                [
                  { title: 'APP', value: ({ name }) => name },
                  { title: 'OWNER', value: ownerOf },
                  {
                    title: 'PROCESSES',
                    value: ({ processes }) =>
                      processes.map(({ type, running, wanted }) => `${type}:${running}/${wanted}`).join(' ') || 'stopped',
                  },
                  { title: 'LABELS', value: ({ labels }) => labelsOf(labels) },
                  { title: 'ROUTES', value: ({ routes }) => routes.join(', ') },
                ],
                found,
              )
            : 'no apps',
      }),
    )
  examples(command, [
    ['apps', 'every app that the mesh knows'],
    ['apps hello', 'one of them'],
    ['apps --org acme --space dev', 'those of a space'],
  ])
}
