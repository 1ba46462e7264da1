import { apiOf, examples, type Register } from '../cli.ts'
import { applyDocuments, readDocuments } from '../documents.ts'
import { fileOption, namespaceOf, namespaceOption, showOutcome } from '../resources.ts'

/** `apply -f FILE`. */
export const apply: Register = (program, cli) => {
  const command = program
    .command('apply')
    .summary('create or change resources, all of the files or none')
    .requiredOption(...fileOption)
    .option(...namespaceOption)
    .option('--dry-run', 'only tell what would come of it')
    .action(async ({ filename, dryRun = false }: { filename: string[]; dryRun?: boolean }) => {
      const namespace = namespaceOf(command, cli.environment)
      const documents = readDocuments(filename, namespace)
      const items = await applyDocuments(apiOf(command, cli), documents, { namespace, dryRun }, cli)
      if (!items) return
      if (command.optsWithGlobals<{ json?: boolean }>().json) return cli.out.json(items)
      for (const item of items) showOutcome(item, cli, dryRun)
    })
  examples(command, [
    ['apply -f canary.yaml', 'created, configured or unchanged'],
    ['apply -f rules/ -n dev', 'every file of a folder, into the space dev'],
    ['apply -f - --dry-run', 'only checked; `meshctl diff` shows what would change'],
  ])
}
