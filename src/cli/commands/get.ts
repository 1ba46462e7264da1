import { Option } from 'commander'
import { stringify } from 'yaml'
import { apiOf, examples, type Register } from '../cli.ts'
import { kindNamed } from '../../mesh/istio/kinds.ts'
import { Usage } from '../problems.ts'
import { condition, namespaceOf, namespaceOption, shortName, type ShownResource } from '../resources.ts'
import { labelsOf, since } from '../words.ts'

interface Options {
  output?: 'yaml' | 'json' | 'wide'
  selector?: string
  allNamespaces?: boolean
}

/** `get KINDS [NAME]`. */
export const get: Register = (program, cli) => {
  const command = program
    .command('get')
    .argument('<kinds>', 'vs, dr, gw, se, rl, joined by commas')
    .argument('[name]', 'only the one of this name')
    .summary('resources and their conditions')
    .option(...namespaceOption)
    .option('-A, --all-namespaces', 'of all spaces')
    .option('-l, --selector <labels>', 'only those with these labels: a=b,c!=d')
    .addOption(new Option('-o, --output <form>', 'how to show them').choices(['yaml', 'json', 'wide']))
    .action(async (kinds: string, name: string | undefined, { output, selector, allNamespaces }: Options) => {
      const unknown = kinds.split(',').find((kind) => !kindNamed(kind))
      if (unknown) throw Usage(`${unknown} is no kind; there are vs, dr, gw, se, rl`)
      const namespace = allNamespaces ? undefined : namespaceOf(command, cli.environment)
      const { items } = await apiOf(command, cli).get<{ items: ShownResource[] }>('/v1/resources', { kind: kinds, namespace, selector })
      const found = items.filter(({ metadata }) => name === undefined || metadata.name === name)
      if (name !== undefined && !found.length) cli.exitCode = 1
      if (output === 'json' || command.optsWithGlobals<{ json?: boolean }>().json) return cli.out.json(found)
      if (output === 'yaml') return cli.out.write(found.map((one) => stringify(one)).join('---\n') || '# no resources')
      if (!found.length) return cli.out.write('no resources')
      cli.out.write(
        cli.out.table<ShownResource>(
          [
            { title: 'NAME', value: shortName },
            { title: 'GENERATION', value: ({ metadata }) => metadata.generation, right: true },
            ...['Accepted', 'Programmed', 'Degraded'].map((type) => ({ title: type.toUpperCase(), value: (one: ShownResource) => condition(one, type) })),
            { title: 'AGE', value: ({ metadata }) => since(metadata.createdAt), right: true },
            ...(output === 'wide'
              ? [
                  { title: 'NAMESPACE', value: ({ metadata }: ShownResource) => metadata.namespace },
                  { title: 'LABELS', value: ({ metadata }: ShownResource) => labelsOf(metadata.labels) },
                  { title: 'MESSAGE', value: ({ status }: ShownResource) => status.conditions.find(({ message }) => message)?.message },
                ]
              : []),
          ],
          found,
        ),
      )
    })
  examples(command, [
    ['get vs,dr', 'those of the space'],
    ['get vs canary -o yaml', 'one, whole'],
    ['get vs,dr,gw,se,rl -A -o wide', 'everything'],
  ])
}
