import { apiOf, examples, type Cli, type Register } from '../cli.ts'
import { checkText } from '../../mesh/istio/check.ts'
import { exitCodes } from '../exit.ts'
import { documentsOf, fileOption, namespaceOf, namespaceOption, readSources, showOutcome, type ApplyOutcome, type Source } from '../resources.ts'

/** `apply -f FILE`. */
export const apply: Register = (program, cli) => {
  const command = program
    .command('apply')
    .summary('create or change resources, all of the files or none')
    .requiredOption(...fileOption)
    .option(...namespaceOption)
    .option('--dry-run', 'only tell what would come of it')
    .action(async ({ filename, dryRun = false }: { filename: string[]; dryRun?: boolean }) => {
      const sources = readSources(filename)
      const namespace = namespaceOf(command, cli.environment)
      if (!showErrors(sources, namespace, cli)) return
      const documents = sources.flatMap(documentsOf)
      const { items } = await apiOf(command, cli).post<{ items: ApplyOutcome[] }>('/v1/resources/apply', { documents, namespace, dryRun })
      if (command.optsWithGlobals<{ json?: boolean }>().json) return cli.out.json(items)
      for (const item of items) showOutcome(item, cli, dryRun)
    })
  examples(command, [
    ['apply -f canary.yaml', 'created, configured or unchanged'],
    ['apply -f rules/ -n dev', 'every file of a folder, into the space dev'],
    ['apply -f - --dry-run', 'only checked; `meshctl diff` shows what would change'],
  ])
}

/** Says every error of every document with file, line and path; true where there is none. */
export function showErrors(sources: Source[], namespace: string, cli: Cli): boolean {
  const errors = sources.flatMap(({ name, text }) =>
    checkText(text, namespace).flatMap(({ findings, lineOf }) => findings.filter(({ severity }) => severity === 'error').map(({ path, message }) => `${name}:${lineOf(path)}: ${path ? `${path}: ` : ''}${message}`)),
  )
  for (const error of errors) cli.err.write(error)
  if (errors.length) cli.exitCode = exitCodes.refused
  return !errors.length
}
