import { examples, present, watchOption, type Register } from '../cli.ts'
import type { Output } from '../output.ts'
import type { Instance } from '../types.ts'
import { nameOf, ownerOf, since } from '../words.ts'
import { scoped, scopeQuery, type ScopeOptions } from './scope.ts'

/** `instances [APP]`. */
export const instances: Register = (program, cli) => {
  const command = scoped(program.command('instances').argument('[app]', 'name or guid of an app'), { app: false })
    .summary('running instances and their addresses')
    .option(...watchOption)
    .action(async (app: string | undefined, options: ScopeOptions) =>
      present(command, cli, {
        read: (api) => api.list<Instance>('/v1/instances', { ...scopeQuery(options), app }),
        show: (found, out) => (found.length ? show(found, out) : 'no instances'),
      }),
    )
  examples(command, [
    ['instances', 'all of them'],
    ['instances hello --watch', 'those of an app, again whenever they change'],
    ['instances --space dev --json', 'for programs'],
  ])
}

function show(instances: Instance[], out: Output): string {
  const byApp = (a: Instance, b: Instance): number => nameOf(a.app).localeCompare(nameOf(b.app)) || a.index - b.index
  return out.table(
    [
      { title: 'APP', value: ({ app }) => nameOf(app) },
      { title: 'TYPE', value: ({ type }) => type ?? '-' },
      { title: 'INDEX', value: ({ index }) => index, right: true },
      { title: 'STATE', value: ({ wanted }) => (wanted ? out.style('green', 'running') : out.style('yellow', 'unwanted')) },
      { title: 'ADDRESS', value: ({ address, ports }) => ports.map(({ tls, plain }) => `${address}:${tls || plain}`).join(' ') },
      { title: 'ZONE', value: ({ zone }) => zone },
      { title: 'SINCE', value: (instance) => since(instance.since), right: true },
      { title: 'OWNER', value: ownerOf },
      { title: 'GUID', value: ({ guid }) => guid },
    ],
    instances.toSorted(byApp),
  )
}
