import { setTimeout as delay } from 'node:timers/promises'
import type { Command } from 'commander'
import { messageOf, Problem } from '../common/problem.ts'
import type { Api } from './api.ts'
import { exitCodeOf, exitCodes } from './exit.ts'
import type { Output } from './output.ts'
import { apiOf } from './session/target.ts'

/** What every command is given. */
export interface Cli {
  out: Output
  /** Where progress and errors go, so that --json stays readable by programs. */
  err: Output
  environment: NodeJS.ProcessEnv
  /** What meshctl ends with when the command is through. */
  exitCode: number
}

export { apiOf } from './session/target.ts'

/** Adds a command to `program`. One file under commands/ exports one; commands/index.ts lists them. */
export type Register = (program: Command, cli: Cli) => unknown

interface GlobalOptions {
  json?: boolean
  watch?: boolean
}

/** One picture of what a command shows. */
export interface View<Data> {
  read: (api: Api) => Promise<Data>
  /** For people. */
  show: (data: Data, out: Output) => string
  /** The exit code that the data means; 0 unless given. */
  exitCode?: (data: Data) => number
}

/** Makes `command` show a view: once, or with --watch again whenever it changes; as JSON with --json. */
export async function present<Data>(command: Command, cli: Cli, { read, show, exitCode }: View<Data>): Promise<void> {
  const { json, watch } = command.optsWithGlobals<GlobalOptions>()
  const api = apiOf(command, cli)
  const print = (data: Data): void => (json ? cli.out.json(data) : cli.out.write(show(data, cli.out)))
  if (!watch) {
    const data = await read(api)
    print(data)
    cli.exitCode = exitCode?.(data) ?? exitCodes.ok
    return
  }
  for (let last = ''; ; await delay(1000)) {
    try {
      const data = await read(api)
      const now = JSON.stringify(data)
      if (now === last) continue
      last = now
      if (!json) cli.out.clear()
      print(data)
    } catch (error) {
      if (exitCodeOf(error) !== exitCodes.unreachable) throw error
      cli.err.write(`meshctl: ${messageOf(error)}`)
    }
  }
}

/** What is done to each of several targets. */
export interface Act<Target, Outcome> {
  act: (target: Target) => Promise<Outcome>
  /** For people. */
  show: (outcome: Outcome, target: Target) => void
}

/**
 * Does something for each target, whatever becomes of the others, and says what came of it and which were refused. Throws what no target
 * can mend, as that nobody answers.
 */
export async function each<Target, Outcome>(
  command: Command,
  cli: Cli,
  targets: Target[],
  { act, show }: Act<Target, Outcome>,
): Promise<void> {
  const { json } = command.optsWithGlobals<GlobalOptions>()
  const outcomes: Outcome[] = []
  for (const target of targets) {
    try {
      const outcome = await act(target)
      outcomes.push(outcome)
      if (!json) show(outcome, target)
    } catch (error) {
      if (!(error instanceof Problem) || exitCodeOf(error) !== exitCodes.refused) throw error
      cli.err.write(`meshctl: ${error.message}`)
      cli.exitCode = exitCodes.refused
    }
  }
  if (json) cli.out.json(outcomes)
}

export const watchOption = ['-w, --watch', 'show it again whenever it changes, until Ctrl-C'] as const

/** The help of a command ends with examples. */
export function examples(command: Command, lines: [command: string, meaning: string][]): Command {
  const width = Math.max(...lines.map(([text]) => text.length))
  return command.addHelpText(
    'after',
    `\nExamples:\n${lines.map(([text, meaning]) => `  meshctl ${text.padEnd(width)}   ${meaning}`).join('\n')}`,
  )
}
