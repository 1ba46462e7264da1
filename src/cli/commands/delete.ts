import { apiOf, examples, type Register } from '../cli.ts'
import { namespaceOf, namespaceOption, pathOf } from '../resources.ts'

/** `delete KIND/NAME…`. */
export const deleteResources: Register = (program, cli) => {
  const command = program
    .command('delete')
    .argument('<resources...>', 'KIND/NAME, as vs/canary')
    .summary('delete resources')
    .option(...namespaceOption)
    .action(async (targets: string[]) => {
      const namespace = namespaceOf(command, cli.environment)
      const paths = targets.map((target) => pathOf(target, namespace))
      for (const path of paths) {
        const { key, outcome } = await apiOf(command, cli).delete<{ key: string; outcome: string }>(path)
        cli.out.write(`${key} ${outcome}`)
      }
    })
  examples(command, [['delete vs/canary dr/hello', 'two resources of the space']])
}
