import { apiOf, examples, type Register } from '../cli.ts'
import { namespaceOf, namespaceOption, pathOf, readTarget } from '../resources.ts'
import { since } from '../words.ts'

interface Version {
  generation: number
  author: string
  at: string
  spec: object
}

/** `history KIND/NAME`. */
export const history: Register = (program, cli) => {
  const command = program
    .command('history')
    .argument('<resource>', 'KIND/NAME, as vs/canary')
    .summary('the last 20 accepted versions of a resource')
    .option(...namespaceOption)
    .action(async (target: string) => {
      const { items, deleted } = await apiOf(command, cli).get<{ items: Version[]; deleted: boolean }>(
        `${pathOf(readTarget(target), namespaceOf(command, cli.environment))}/history`,
      )
      if (command.optsWithGlobals<{ json?: boolean }>().json) return cli.out.json(items)
      cli.out.write(
        cli.out.table<Version>(
          [
            { title: 'VERSION', value: ({ generation }) => generation, right: true },
            { title: 'AGE', value: ({ at }) => since(at), right: true },
            { title: 'AUTHOR', value: ({ author }) => author },
            { title: 'SPEC', value: ({ spec }) => JSON.stringify(spec) },
          ],
          items,
        ),
      )
      if (deleted) cli.err.write(`${target} is deleted; meshctl rollback ${target} --to ${items[0]!.generation} makes it again`)
    })
  examples(command, [['history vs/canary', 'the newest first']])
}
