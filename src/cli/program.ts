import { Command, CommanderError } from 'commander'
import { Problem } from '../common/problem.ts'
import { version } from '../common/version.ts'
import type { Cli } from './cli.ts'
import { examples } from './cli.ts'
import { commands } from './commands/index.ts'
import { exitCodeOf, exitCodes } from './exit.ts'

/** meshctl as commander sees it. */
export function createProgram(cli: Cli): Command {
  const program = new Command('meshctl')
    .description('Looks into the mesh and steers it, through the API of its copilot.')
    .version(version, '-V, --version')
    .option('--api <url>', "copilot's address; else MESH_API, else that of `meshctl login`, else the running `npm start`")
    .option('--api-ca <file>', "CAs of copilot's https address, and of UAA's where those are not public, PEM; else MESH_CA")
    .option('--json', 'for programs: JSON instead of tables')
    .showHelpAfterError('(add --help for how it is used)')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ writeOut: (text) => cli.out.write(text), writeErr: (text) => cli.err.write(text) })
    .exitOverride()
  program.addHelpText(
    'after',
    `
Environment:
  MESH_API    copilot's address
  MESH_DATA   data folder of the \`npm start\` that is meant (default: .mesh)
  MESH_TOKEN  UAA access token; else that of meshctl login, of the running npm start, or of the cf CLI
  MESH_NAMESPACE  the space that is meant; else that of cf target
  MESH_CA     CAs of copilot's https address, and of UAA's where those are not public, PEM
  NO_COLOR    no colours

Exit codes: ${exitCodes.ok} ok, ${exitCodes.refused} refused or different, ${exitCodes.usage} usage, ${exitCodes.unreachable} unreachable`,
  )
  examples(program, [
    ['routes', 'every route, its state and whom it sends to'],
    ['trace hello.mesh.apps.localhost/a', 'where a request goes, and why'],
    ['status --watch', 'how the mesh is'],
  ])
  for (const register of commands) register(program, cli)
  inherit(program)
  return program
}

/** Commands that were made by themselves behave as those that the program made. */
function inherit(parent: Command): void {
  for (const command of parent.commands) {
    command.copyInheritedSettings(parent)
    inherit(command)
  }
}

/** kubectl says where the dry run is made; here copilot makes it. */
const plainDryRun = (arg: string): string => (/^--dry-run=(server|client)$/.test(arg) ? '--dry-run' : arg)

/** Runs one command line; errors become a sentence and an exit code. */
export async function runProgram(args: string[], cli: Cli): Promise<number> {
  try {
    await createProgram(cli).parseAsync(args.map(plainDryRun), { from: 'user' })
    return cli.exitCode
  } catch (error) {
    // commander has said what was wrong by itself.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
    if (!(error instanceof Problem)) throw error
    cli.err.write(`meshctl: ${error.message}`)
    return exitCodeOf(error)
  }
}
