import { examples, present, watchOption, type Register } from '../cli.ts'
import type { Output } from '../output.ts'
import type { Component, Status } from '../types.ts'
import { count, nameOf, removals, since, span } from '../words.ts'

/** `status`. */
export const status: Register = (program, cli) => {
  const command = program
    .command('status')
    .summary('how the mesh is: components, sources, what is held, conflicts')
    .option(...watchOption)
    .action(async () => present(command, cli, { read: (api) => api.get<Status>('/v1/status'), show }))
  examples(command, [
    ['status', 'on one page'],
    ['status --watch', 'again whenever it changes'],
    ['status --json', 'for programs'],
  ])
}

function show({ version, revision, records, store, sources, switches, held, conflicts, components }: Status, out: Output): string {
  const sections = [
    [
      `copilot ${version}, revision ${revision}: ${['route', 'app', 'instance', 'space'].map((kind) => count(records[kind] ?? 0, kind)).join(', ')}`,
      ...(store.ready ? [] : [out.style('red', `store: ${store.reason}`)]),
    ],
    components.length ? [showComponents(components, out)] : [out.style('yellow', 'no component has reported yet')],
    sources.length
      ? sources.map(({ name, age, syncedAt }) => `source ${name}: last change ${span(age)} ago, last full sync ${since(syncedAt)} ago`)
      : ['no source has sent anything yet'],
    switches.frozen
      ? [
          out.style(
            'yellow',
            `frozen by ${switches.frozen.author} ${since(switches.frozen.since)} ago: nothing can be applied or deleted until \`meshctl unfreeze\``,
          ),
        ]
      : [],
    switches.ignored.map(({ space, author, since: from }) =>
      out.style(
        'yellow',
        `ignored by ${author} ${since(from)} ago: the rules of space ${nameOf(space)}; \`meshctl ignore-space ${space.guid} --undo\` ends that`,
      ),
    ),
    held.flatMap((sync) => [
      out.style('yellow', `held: a sync of ${sync.source} that would remove ${removals(sync)} (${since(sync.since)} ago): ${sync.reason}`),
      `  if they are to go: meshctl sync accept ${sync.id}`,
    ]),
    conflicts.map(({ key, space, servedSpace, reason }) =>
      out.style(
        'yellow',
        `conflict: ${key} of space ${nameOf(space)} is not served${servedSpace ? `, that of ${nameOf(servedSpace)} is` : ''}: ${reason}`,
      ),
    ),
  ]
  return sections
    .filter((lines) => lines.length)
    .map((lines) => lines.join('\n'))
    .join('\n\n')
}

function showComponents(components: Component[], out: Output): string {
  return out.table(
    [
      { title: 'COMPONENT', value: ({ kind }) => kind },
      { title: 'NAME', value: ({ name }) => name },
      { title: 'VERSION', value: ({ version }) => version },
      {
        title: 'STATE',
        value: ({ ready, lost }) =>
          lost ? out.style('red', 'lost') : ready ? out.style('green', 'ready') : out.style('yellow', 'not ready'),
      },
      { title: 'LAG', value: ({ lag }) => lag ?? '-', right: true },
      { title: 'SEEN', value: ({ lastSeen }) => `${since(lastSeen)} ago`, right: true },
      { title: 'REASON', value: ({ reason }) => reason ?? '' },
    ],
    components,
  )
}
