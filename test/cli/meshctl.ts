import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { resolve } from 'node:path'
import { Output } from '../../src/cli/output.ts'
import { runProgram } from '../../src/cli/program.ts'

export interface Outcome {
  code: number | null
  out: string
  err: string
}

export const root = resolve(import.meta.dirname, '../..')

/** Runs meshctl in this process. */
export async function meshctl(args: string[], environment: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  const written = { out: '', err: '' }
  const screen = (name: 'out' | 'err'): Output => new Output({ write: (text) => (written[name] += text) }, {})
  const code = await runProgram(args, {
    out: screen('out'),
    err: screen('err'),
    environment: { MESH_DATA: '/nowhere', MESHCTL_HOME: '/nowhere', CF_HOME: '/nowhere', ...environment },
    exitCode: 0,
  })
  return { code, ...written }
}

/** Runs meshctl as a process, in a folder where nothing of npm start can be found. */
export async function runMeshctl(
  args: string[],
  {
    environment = {},
    command = [process.execPath, resolve(root, 'src/cli/main.ts')],
    cwd = '/',
  }: { environment?: NodeJS.ProcessEnv; command?: string[]; cwd?: string } = {},
): Promise<Outcome> {
  const { MESH_API: _api, MESH_DATA: _data, MESH_TOKEN: _token, NODE_OPTIONS: _options, ...rest } = process.env
  const child = spawn(command[0]!, [...command.slice(1), ...args], {
    cwd,
    env: { ...rest, MESH_DATA: '/nowhere', MESHCTL_HOME: '/nowhere', CF_HOME: '/nowhere', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise<number | null>((done) => child.on('exit', (code) => done(code)))
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)])
  return { code: await ended, out, err }
}
