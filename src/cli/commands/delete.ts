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
      const json = command.optsWithGlobals<{ json?: boolean }>().json
      const outcomes = await each(paths, async (path) => {
        const outcome = await api.delete<ApplyOutcome>(path, { dryRun })
        if (!json) showOutcome(outcome, cli, dryRun)
        return outcome
      }, cli)
      if (json) cli.out.json(outcomes)
    })
  examples(command, [
    ['delete vs/canary dr/hello', 'two resources of the space'],
    ['delete vs/canary --dry-run', 'whether it could be'],
  ])
}
