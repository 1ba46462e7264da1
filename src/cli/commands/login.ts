import { resolve } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { Option } from 'commander'
import { Api } from '../api.ts'
import { examples, type Cli, type Register } from '../cli.ts'
import { Cancelled, NoLogin, Usage } from '../problems.ts'
import { readReady } from '../ready.ts'
import { readLogin, removeLogin, writeLogin } from '../session/login-file.ts'
import { askUaa, claimsOf } from '../session/uaa.ts'
import { uaaAgent } from '../session/connect.ts'

interface Options {
  user?: string
  password?: string
  ssoPasscode?: string
}

/** `login`. */
export const login: Register = (program, cli) => {
  const command = program
    .command('login')
    .summary('log in to a copilot by UAA, and use that copilot from now on')
    .option('-u, --user <name>', 'as `cf login` takes it; asked for where absent')
    .option('-p, --password <password>', 'better left out: MESH_PASSWORD, or typed where it is asked for')
    .addOption(new Option('--sso-passcode <code>', 'one-time code of a single sign-on, from UAA at /passcode').conflicts('password'))
    .action(async (options: Options) => {
      const given = command.optsWithGlobals<{ api?: string; apiCa?: string }>()
      const url = (
        given.api ??
        (cli.environment['MESH_API'] || undefined) ??
        readLogin(cli.environment)?.api ??
        readReady(cli.environment).urls.copilot
      ).replace(/\/+$/, '')
      const file = given.apiCa ?? cli.environment['MESH_CA']
      // It is read from whatever folder a command is run in later.
      const ca = file === undefined ? undefined : resolve(file)
      const { login: uaa } = await new Api({ url, ca }).get<{ login?: string }>('/v1/info')
      if (!uaa) throw NoLogin(url)
      const { form, remedy } = await credentials(options, cli, uaa)
      const grant = await askUaa(uaa, form, { dispatcher: uaaAgent(ca), remedy })
      const user = claimsOf(grant.accessToken).user_name ?? form['username'] ?? 'single sign-on'
      writeLogin(cli.environment, { api: url, ...(ca && { ca }), uaa, user, ...grant })
      cli.out.write(`logged in to ${url} as ${user}`)
    })
  examples(command, [
    ['login --api https://copilot.sys.example.com', 'asks for user and password'],
    ['login --api https://copilot.sys.example.com --sso-passcode CODE', 'with a code of UAA'],
  ])
}

/** `logout`. */
export const logout: Register = (program, cli) => {
  const command = program
    .command('logout')
    .summary('forget the login')
    .action(() => cli.out.write(removeLogin(cli.environment) ? 'logged out' : 'nobody was logged in'))
  examples(command, [['logout', 'removes the tokens from this machine']])
}

/** What UAA is asked with, and what to do where it refuses that. */
async function credentials(
  { user, password, ssoPasscode }: Options,
  cli: Cli,
  uaa: string,
): Promise<{ form: Record<string, string>; remedy: string }> {
  if (ssoPasscode !== undefined)
    return {
      form: { grant_type: 'password', passcode: ssoPasscode },
      remedy: `A passcode is good once, and not for long: get another at ${uaa}/passcode`,
    }
  const username = user ?? (await ask('User: ', 'user', false))
  const secret = password ?? (cli.environment['MESH_PASSWORD'] || (await ask('Password: ', 'password', true)))
  return {
    form: { grant_type: 'password', username, password: secret },
    remedy: 'Check user and password; who has a single sign-on logs in with --sso-passcode',
  }
}

/**
 * Asks at the terminal; what is hidden does not show while it is typed. Throws `MESHCTL_USAGE` where there is none, `MESHCTL_CANCELLED` by
 * Ctrl-C and Ctrl-D.
 */
async function ask(question: string, option: string, hidden: boolean): Promise<string> {
  if (!process.stdin.isTTY) throw Usage(`--${option} is missing, and there is no terminal to ask for it`)
  const output = new Writable({
    write(chunk: Buffer, _encoding, done) {
      if (!hidden) process.stderr.write(chunk)
      done()
    },
  })
  const terminal = createInterface({ input: process.stdin, output, terminal: true })
  // Only now, when the terminal shows no more by itself what is typed.
  process.stderr.write(question)
  try {
    return await terminal.question('')
  } catch {
    throw Cancelled()
  } finally {
    terminal.close()
    if (hidden) process.stderr.write('\n')
  }
}
