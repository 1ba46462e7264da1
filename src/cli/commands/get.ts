import { Option } from 'commander'
import { stringify } from 'yaml'
import type { Api, Query } from '../api.ts'
import { apiOf, examples, watchOption, type Cli, type Register } from '../cli.ts'
import { exitCodes } from '../exit.ts'
import type { Output } from '../output.ts'
import { kindNamed } from '../../mesh/istio/kinds.ts'
import { Usage } from '../problems.ts'
import { condition, namespaceOf, namespaceOption, shortName, type ShownResource } from '../resources.ts'
import { labelsOf, since } from '../words.ts'

interface Options {
  output?: 'yaml' | 'json' | 'wide'
  selector?: string
  allNamespaces?: boolean
  watch?: boolean
}

/** `get KINDS [NAME]`. */
export const get: Register = (program, cli) => {
  const command = program
    .command('get')
    .argument('<kinds>', 'vs, dr, gw, se, rl, joined by commas; or KIND/NAME')
    .argument('[name]', 'only the one of this name')
    .summary('resources and their conditions')
    .option(...namespaceOption)
    .option('-A, --all-namespaces', 'of all spaces')
    .option('-l, --selector <labels>', 'only those with these labels: a=b,c!=d')
    .addOption(new Option('-o, --output <form>', 'how to show them').choices(['yaml', 'json', 'wide']))
    .option(...watchOption)
    .action(async (kinds: string, name: string | undefined, options: Options) => {
      const [kind = '', named = name] = kinds.split('/')
      const unknown = kind.split(',').find((one) => !kindNamed(one))
      if (unknown !== undefined) throw Usage(`${unknown} is no kind; there are vs, dr, gw, se, rl`)
      const namespace = options.allNamespaces ? undefined : namespaceOf(command, cli.environment)
      const query = { kind, name: named, namespace, selector: options.selector }
      const output = options.output ?? (command.optsWithGlobals<{ json?: boolean }>().json ? 'json' : undefined)
      const form: Form = { output, spaces: options.allNamespaces || output === 'wide' }
      const api = apiOf(command, cli)
      const { items, resourceVersion } = await api.get<{ items: ShownResource[]; resourceVersion: string }>('/v1/resources', query)
      print(items, form, cli)
      if (named !== undefined && !items.length) cli.exitCode = exitCodes.refused
      if (options.watch)
        await follow(api, { ...query, resourceVersion }, new Map(items.map((one) => [keyOf(one), one])), (shown) => {
          if (!output) cli.out.clear()
          print(shown, form, cli)
        })
    })
  examples(command, [
    ['get vs,dr', 'those of the space'],
    ['get vs canary -o yaml', 'one, whole; also written vs/canary'],
    ['get vs -l team=shop -w', 'those with a label, again whenever one changes'],
    ['get vs,dr,gw,se,rl -A -o wide', 'everything'],
  ])
}

const keyOf = ({ kind, metadata }: Pick<ShownResource, 'kind' | 'metadata'>): string =>
  `${kind.toLowerCase()}/${metadata.namespace}/${metadata.name}`

type Line =
  | { type: 'APPLIED' | 'DELETED'; object: ShownResource }
  | { type: 'BOOKMARK'; object: { metadata: { resourceVersion: string } } }
  | { type: 'ERROR'; object: { message: string } }

/** Shows the resources again whenever one changes, until Ctrl-C; goes on from the last version where the stream ends. */
async function follow(
  api: Api,
  query: Query & { resourceVersion: string },
  shown: Map<string, ShownResource>,
  show: (shown: ShownResource[]) => void,
): Promise<never> {
  for (let version = query.resourceVersion; ;) {
    for await (const line of api.stream<Line>('/v1/resources', { ...query, watch: true, resourceVersion: version })) {
      if (line.type === 'ERROR') throw Usage(`${line.object.message}; begin again`)
      version = line.object.metadata.resourceVersion
      if (line.type === 'BOOKMARK') continue
      if (line.type === 'APPLIED') shown.set(keyOf(line.object), line.object)
      else if (!shown.delete(keyOf(line.object))) continue
      show([...shown.values()])
    }
  }
}

interface Form {
  output: Options['output']
  /** Whether the space of each is told. */
  spaces: boolean
}

function print(found: ShownResource[], { output, spaces }: Form, { out }: Cli): void {
  if (output === 'json') return out.json(found)
  if (output === 'yaml') return out.write(found.map((one) => stringify(one)).join('---\n') || '# no resources')
  if (!found.length) return out.write('no resources')
  out.write(
    out.table<ShownResource>(
      [
        { title: 'NAME', value: shortName },
        { title: 'GENERATION', value: ({ metadata }) => metadata.generation, right: true },
        ...['Accepted', 'Programmed', 'Degraded'].map((type) => ({
          title: type.toUpperCase(),
          value: (one: ShownResource) => coloured(type, condition(one, type), out),
        })),
        { title: 'WARNINGS', value: ({ status }) => status.warnings.length || '', right: true },
        { title: 'AGE', value: ({ metadata }) => since(metadata.createdAt), right: true },
        ...(spaces ? [{ title: 'NAMESPACE', value: ({ status }: ShownResource) => status.space }] : []),
        ...(output === 'wide'
          ? [
              { title: 'LABELS', value: ({ metadata }: ShownResource) => labelsOf(metadata.labels) },
              {
                title: 'MESSAGE',
                value: ({ status }: ShownResource) => [...status.conditions, ...status.warnings].find(({ message }) => message)?.message,
              },
            ]
          : []),
      ],
      found,
    ),
  )
}

function coloured(type: string, status: string, out: Output): string {
  if (status === 'Unknown') return out.style('yellow', status)
  return out.style((status === 'True') === (type === 'Degraded') ? 'red' : 'green', status)
}
