import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { messageOf } from '../../common/problem.ts'
import { apiOf, examples, type Cli, type Register } from '../cli.ts'
import { exitCodes } from '../exit.ts'
import { NoDiff } from '../problems.ts'
import { applyDocuments, readDocuments } from '../documents.ts'
import { fileOption, namespaceOf, namespaceOption, shortKey, type ApplyOutcome } from '../resources.ts'

/** `diff -f FILE`. */
export const diff: Register = (program, cli) => {
  const command = program
    .command('diff')
    .summary('what applying files would change; ends with 1 where it is anything')
    .requiredOption(...fileOption)
    .option(...namespaceOption)
    .action(async ({ filename }: { filename: string[] }) => {
      const namespace = namespaceOf(command, cli.environment)
      const documents = readDocuments(filename, namespace)
      const items = await applyDocuments(apiOf(command, cli), documents, { namespace, dryRun: true }, cli)
      if (!items) return
      const different = items.filter(({ outcome }) => outcome !== 'unchanged')
      if (different.length) cli.exitCode = exitCodes.refused
      if (command.optsWithGlobals<{ json?: boolean }>().json) return cli.out.json(items)
      for (const item of different) cli.out.write(patchOf(item, cli))
    })
  examples(command, [
    ['diff -f canary.yaml', 'as `diff -u` shows it'],
    ['diff -f rules/ && echo nothing to do', 'in a script'],
  ])
}

function patchOf({ key, before, after }: ApplyOutcome, cli: Cli): string {
  const patch = compare(`${shortKey(key)} now`, `${shortKey(key)} then`, text(before), text(after))
  const colour = (line: string): string =>
    line.startsWith('+') ? cli.out.style('green', line) : line.startsWith('-') ? cli.out.style('red', line) : line
  return patch.trimEnd().split('\n').map(colour).join('\n')
}

const text = (state: object | undefined): string => (state ? stringify(state, { sortMapEntries: true }) : '')

/** How two texts differ, by the system's diff. Throws `MESHCTL_NO_DIFF`. */
function compare(name: string, nextName: string, before: string, after: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'meshctl-diff-'))
  try {
    const files = [join(folder, 'now'), join(folder, 'then')] as const
    writeFileSync(files[0], before)
    writeFileSync(files[1], after)
    const { status, stdout, error } = spawnSync('diff', ['-u', '-L', name, '-L', nextName, ...files], { encoding: 'utf8' })
    // 0: alike, 1: different.
    if (error || (status !== 0 && status !== 1)) throw NoDiff(error ? messageOf(error) : `status ${status}`)
    return stdout
  } finally {
    rmSync(folder, { recursive: true })
  }
}
