import { setTimeout as delay } from 'node:timers/promises'
import { Option } from 'commander'
import { stringify } from 'yaml'
import type { Api, Query } from '../api.ts'
import { apiOf, examples, watchOption, type Cli, type Register } from '../cli.ts'
import { messageOf } from '../../common/problem.ts'
import { exitCodeOf, exitCodes } from '../exit.ts'
import type { Output } from '../output.ts'
import {
  condition,
  namespaceOf,
  namespaceOption,
  readKinds,
  readTargets,
  shortName,
  shortTarget,
  type ShownResource,
} from '../resources.ts'
import { labelsOf, since } from '../words.ts'

interface Options {
  output?: 'yaml' | 'json' | 'wide' | 'name'
  selector?: string
  allNamespaces?: boolean
  watch?: boolean
}

/** `get KINDS [NAME…]` and `get KIND/NAME…`. */
export const get: Register = (program, cli) => {
  const command = program
    .command('get')
    .argument('<kinds>', 'vs, dr, gw, se, rl, joined by commas, or all; or KIND/NAME')
    .argument('[names...]', 'only those of these names; behind KIND/NAME others of that form')
    .summary('resources and their conditions')
    .option(...namespaceOption)
    .option('-A, --all-namespaces', 'of all spaces')
    .option('-l, --selector <labels>', 'only those with these labels: a=b,c!=d')
    .addOption(new Option('-o, --output <form>', 'how to show them').choices(['yaml', 'json', 'wide', 'name']))
    .option(...watchOption)
    .action(async (kinds: string, names: string[], options: Options) => {
      const named = kinds.includes('/') || names.length ? readTargets([kinds, ...names]) : []
      const wanted = new Set(named.map(shortTarget))
      const namespace = options.allNamespaces ? undefined : namespaceOf(command, cli.environment)
      const query = {
        kind: [...new Set(named.length ? named.map(({ kind }) => kind) : readKinds(kinds))].join(','),
        name: named.length === 1 ? named[0]!.name : undefined,
        namespace,
        selector: options.selector,
      }
      const output = options.output ?? (command.optsWithGlobals<{ json?: boolean }>().json ? 'json' : undefined)
      const form: Form = { output, spaces: options.allNamespaces || output === 'wide' }
      const isWanted = (one: ShownResource): boolean => !wanted.size || wanted.has(shortName(one))
      const api = apiOf(command, cli)
      if (options.watch)
        return watch(api, { query, isWanted }, cli, (shown) => {
          if (!output) cli.out.clear()
          print(shown, form, cli)
        })
      const found = (await api.get<List>('/v1/resources', query)).items.filter(isWanted)
      const missing = [...wanted].filter((target) => !found.some((one) => shortName(one) === target))
      if (found.length || !missing.length || output === 'json') print(found, form, cli)
      for (const target of missing) cli.err.write(`meshctl: there is no ${target}${namespace === undefined ? '' : ` in ${namespace}`}`)
      if (missing.length) cli.exitCode = exitCodes.refused
    })
  examples(command, [
    ['get vs,dr', 'those of the space'],
    ['get vs canary -o yaml', 'one, whole; also written vs/canary'],
    ['get vs/canary dr/hello', 'these two'],
    ['get vs -l team=shop -w', 'those with a label, again whenever one changes'],
    ['get all -A -o wide', 'everything'],
  ])
}

const keyOf = ({ kind, metadata }: Pick<ShownResource, 'kind' | 'metadata'>): string =>
  `${kind.toLowerCase()}/${metadata.namespace}/${metadata.name}`

type Line = { type: 'APPLIED' | 'DELETED'; object: ShownResource } | { type: 'BOOKMARK' | 'ERROR' }

interface List {
  items: ShownResource[]
  resourceVersion: string
}

interface Watched {
  query: Query
  isWanted: (one: ShownResource) => boolean
}

/** Shows the resources, and again whenever one changes, until Ctrl-C. Where the stream ends or copilot is away, it begins with the list again. */
async function watch(api: Api, { query, isWanted }: Watched, { err }: Cli, show: (shown: ShownResource[]) => void): Promise<never> {
  let last: string | undefined
  const update = (shown: ShownResource[]): void => {
    const now = JSON.stringify(shown)
    if (now === last) return
    last = now
    show(shown)
  }
  for (; ; await delay(1000)) {
    try {
      const { items, resourceVersion } = await api.get<List>('/v1/resources', query)
      const shown = new Map(items.filter(isWanted).map((one) => [keyOf(one), one]))
      update([...shown.values()])
      for await (const line of api.stream<Line>('/v1/resources', { ...query, watch: true, resourceVersion })) {
        if (line.type === 'ERROR') break
        if (line.type === 'DELETED') shown.delete(keyOf(line.object))
        if (line.type === 'APPLIED' && isWanted(line.object)) shown.set(keyOf(line.object), line.object)
        update([...shown.values()])
      }
    } catch (error) {
      if (last === undefined || exitCodeOf(error) !== exitCodes.unreachable) throw error
      err.write(`meshctl: ${messageOf(error)}`)
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
  if (output === 'name') return found.forEach((one) => out.write(shortName(one)))
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
