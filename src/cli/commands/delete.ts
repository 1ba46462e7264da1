import { apiOf, each, examples, type Register } from '../cli.ts'
import { readDocuments } from '../documents.ts'
import { kindNamed } from '../../mesh/istio/kinds.ts'
import { Usage } from '../problems.ts'
import { fileOption, namespaceOf, namespaceOption, pathOf, readTargets, showOutcome, type ApplyOutcome } from '../resources.ts'

/** `delete KIND/NAME…` and `delete -f FILE`. */
export const deleteResources: Register = (program, cli) => {
  const command = program
    .command('delete')
    .argument('[resources...]', 'KIND/NAME, as vs/canary; or KIND NAME…')
    .summary('delete resources')
    .option(...fileOption)
    .option(...namespaceOption)
    .option('--dry-run', 'only tell what would come of it')
    .action(async (targets: string[], { filename = [], dryRun }: { filename?: string[]; dryRun?: boolean }) => {
      if (!targets.length && !filename.length) throw Usage('name what is to be deleted: KIND/NAME, as vs/canary, or -f FILE')
      const namespace = namespaceOf(command, cli.environment)
      const paths = [
        ...(targets.length ? readTargets(targets) : []).map((target) => pathOf(target, namespace)),
        ...(filename.length ? pathsIn(filename, namespace) : []),
      ]
      const api = apiOf(command, cli)
      await each(command, cli, paths, {
        act: (path) => api.delete<ApplyOutcome>(path, { dryRun }),
        show: (outcome) => showOutcome(outcome, cli, dryRun),
      })
    })
  examples(command, [
    ['delete vs/canary dr/hello', 'two resources of the space'],
    ['delete -f rules/', 'those of the files'],
    ['delete vs/canary --dry-run', 'whether it could be'],
  ])
}

/** The paths of what files name. Throws `MESHCTL_USAGE` where a document names none. */
function pathsIn(files: string[], namespace: string): string[] {
  return readDocuments(files, namespace).map(({ file, line, kind: called = '', name, namespace: own = namespace }) => {
    const kind = kindNamed(called)
    if (!kind || !name) throw Usage(`${file}:${line}: names no resource by kind and metadata.name`)
    return pathOf({ kind, name }, own)
  })
}
