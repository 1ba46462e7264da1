import { examples, present, watchOption, type Register } from '../cli.ts'
import type { Service } from '../types.ts'
import { ownerOf } from '../words.ts'
import { scoped, scopeQuery, type ScopeOptions } from './scope.ts'

/** `services`. */
export const services: Register = (program, cli) => {
  const command = scoped(program.command('services').argument('[name]', 'NAME, NAME.SPACE or NAME.SPACE.ORGANIZATION'), { app: false })
    .summary('what mesh rules can send to by name')
    .option(...watchOption)
    .action(async (name: string | undefined, options: ScopeOptions) =>
      present(command, cli, {
        read: (api) => api.list<Service>('/v1/services', { ...scopeQuery(options), name }),
        show: (found, out) =>
          found.length
            ? out.table(
                [
                  { title: 'SERVICE', value: ({ name }) => name },
                  { title: 'OWNER', value: ownerOf },
                  { title: 'INSTANCES', value: ({ instances }) => instances, right: true },
                  { title: 'APPS', value: ({ apps }) => apps.map(withVersion).join(', ') },
                  { title: 'HOSTS', value: ({ hosts }) => hosts.join(', ') },
                ],
                found,
              )
            : 'no services',
      }),
    )
  examples(command, [
    ['services', 'every service; each of its hosts is one, too'],
    ['services reviews.dev', 'the service reviews of the space dev'],
    ['services --org acme --json', 'for programs'],
  ])
}

function withVersion({ name, labels }: Service['apps'][number]): string {
  return labels['version'] ? `${name} (${labels['version']})` : name
}
