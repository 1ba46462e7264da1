import { apiOf, examples, type Register } from '../cli.ts'
import { Usage } from '../problems.ts'
import { namespaceOf, namespaceOption, pathOf } from '../resources.ts'

/** `rollback KIND/NAME --to VERSION`. */
export const rollback: Register = (program, cli) => {
  const command = program
    .command('rollback')
    .argument('<resource>', 'KIND/NAME, as vs/canary')
    .summary('make an earlier version of a resource the newest')
    .requiredOption('--to <version>', 'as `meshctl history` numbers them')
    .option(...namespaceOption)
    .action(async (target: string, { to }: { to: string }) => {
      if (!/^[1-9]\d*$/.test(to)) throw Usage(`--to: ${to} is no version`)
      const { key, outcome } = await apiOf(command, cli).post<{ key: string; outcome: string }>(`${pathOf(target, namespaceOf(command, cli.environment))}/rollback`, { to: Number(to) })
      cli.out.write(`${key} ${outcome}`)
    })
  examples(command, [['rollback vs/canary --to 3', 'what `meshctl history vs/canary` shows as 3']])
}
