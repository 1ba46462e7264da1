import { apiOf, each, examples, type Register } from '../cli.ts'
import { namespaceOf, namespaceOption, pathOf, showOutcome, type ApplyOutcome } from '../resources.ts'

/** `delete KIND/NAME…`. */
export const deleteResources: Register = (program, cli) => {
  const command = program
    .command('delete')
    .argument('<resources...>', 'KIND/NAME, as vs/canary')
    .summary('delete resources')
    .option(...namespaceOption)
    .option('--dry-run', 'only tell what would come of it')
    .action(async (targets: string[], { dryRun }: { dryRun?: boolean }) => {
      const namespace = namespaceOf(command, cli.environment)
      const paths = targets.map((target) => pathOf(target, namespace))
      const api = apiOf(command, cli)
      await each(command, cli, paths, {
        act: (path) => api.delete<ApplyOutcome>(path, { dryRun }),
        show: (outcome) => showOutcome(outcome, cli, dryRun),
      })
    })
  examples(command, [
    ['delete vs/canary dr/hello', 'two resources of the space'],
    ['delete vs/canary --dry-run', 'whether it could be'],
  ])
}
