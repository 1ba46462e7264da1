import { apiOf, examples, type Register } from '../cli.ts'
import { Usage } from '../problems.ts'
import { namespaceOf, namespaceOption, pathOf, readTarget, showOutcome, type ApplyOutcome } from '../resources.ts'

/** `rollback KIND/NAME --to VERSION`. */
export const rollback: Register = (program, cli) => {
  const command = program
    .command('rollback')
    .argument('<resource>', 'KIND/NAME, as vs/canary')
    .summary('make an earlier version of a resource the newest')
    .requiredOption('--to <version>', 'as `meshctl history` numbers them')
    .option(...namespaceOption)
    .option('--dry-run', 'only tell what would come of it')
    .action(async (target: string, { to, dryRun = false }: { to: string; dryRun?: boolean }) => {
      if (!/^[1-9]\d*$/.test(to)) throw Usage(`--to: ${to} is no version`)
      const path = `${pathOf(readTarget(target), namespaceOf(command, cli.environment))}/rollback${dryRun ? '?dryRun=true' : ''}`
      const outcome = await apiOf(command, cli).post<ApplyOutcome>(path, { to: Number(to) })
      if (command.optsWithGlobals<{ json?: boolean }>().json) return cli.out.json(outcome)
      showOutcome(outcome, cli, dryRun)
    })
  examples(command, [['rollback vs/canary --to 3', 'what `meshctl history vs/canary` shows as 3']])
}
