import type { Command } from 'commander'
import { apiOf, examples, type Cli, type Register } from '../cli.ts'
import type { Switches } from '../types.ts'

/** `freeze`. */
export const freeze: Register = (program, cli) => {
  const command = program
    .command('freeze')
    .summary('let nobody change any rule or secret; routes and instances go on')
    .action(async () =>
      said(
        command,
        cli,
        await apiOf(command, cli).put<Switches>('/v1/switches/freeze'),
        'frozen: nothing can be applied or deleted until `meshctl unfreeze`',
      ),
    )
  examples(command, [['freeze', 'before an upgrade, or while something is looked into']])
}

/** `unfreeze`. */
export const unfreeze: Register = (program, cli) => {
  const command = program
    .command('unfreeze')
    .summary('let rules and secrets be changed again')
    .action(async () => said(command, cli, await apiOf(command, cli).delete<Switches>('/v1/switches/freeze'), 'not frozen'))
  examples(command, [['unfreeze', 'ends `meshctl freeze`']])
}

/** `ignore-space SPACE`. */
export const ignoreSpace: Register = (program, cli) => {
  const command = program
    .command('ignore-space')
    .argument('<space>', 'name or guid, or ORGANIZATION/SPACE')
    .summary('take the rules of one space out of force, and keep them')
    .option('--undo', 'put them into force again')
    .action(async (space: string, { undo }: { undo?: boolean }) => {
      const api = apiOf(command, cli)
      const path = `/v1/switches/ignored/${encodeURIComponent(space)}`
      said(
        command,
        cli,
        undo ? await api.delete<Switches>(path) : await api.put<Switches>(path),
        undo ? `the rules of ${space} are in force again` : `the rules of ${space} are not in force; --undo ends that`,
      )
    })
  examples(command, [
    ['ignore-space acme/dev', 'its routes answer as if it had applied nothing'],
    ['ignore-space acme/dev --undo', 'its rules are in force again'],
  ])
}

function said(command: Command, cli: Cli, switches: Switches, sentence: string): void {
  if (command.optsWithGlobals<{ json?: boolean }>().json) cli.out.json(switches)
  else cli.out.write(sentence)
}
