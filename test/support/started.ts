import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Apps } from '../../src/cli/dev/apps.ts'
import { Session } from '../../src/cli/dev/session.ts'
import type { Ready } from '../../src/start/ready.ts'
import { ask, type Answer } from './client.ts'
import { eventually } from './wait.ts'

/** `npm start` as a user runs it, in a folder of its own and on free ports. */
export class Started {
  readonly data: string
  readonly child: ChildProcess
  output = ''

  constructor(args: string[] = [], data = mkdtempSync(join(tmpdir(), 'mesh-start-'))) {
    this.data = data
    const main = resolve(import.meta.dirname, '../../src/start/main.ts')
    this.child = spawn(process.execPath, [main, '--data', data, '--http-port', '0', '--https-port', '0', '--cc-port', '0', ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const collect = (chunk: Buffer): void => void (this.output += chunk.toString())
    this.child.stdout?.on('data', collect)
    this.child.stderr?.on('data', collect)
    process.once('exit', () => this.child.kill('SIGTERM'))
  }

  /** Waits until it says that it is ready. */
  async ready(): Promise<this> {
    const file = join(this.data, 'ready.json')
    await eventually(() => {
      if (this.child.exitCode !== null) throw new Error(`npm start ended:\n${this.output}`)
      return existsSync(file)
    }, 60_000)
    return this
  }

  get info(): Ready {
    return JSON.parse(readFileSync(join(this.data, 'ready.json'), 'utf8')) as Ready
  }

  get router(): Ready['routers'][number] {
    const [router] = this.info.routers
    if (!router) throw new Error('no router')
    return router
  }

  /** A GET of `/` at `NAME.MESH-DOMAIN`. */
  hello(name = 'hello', path = '/'): Promise<Answer> {
    return ask(this.router.http, `${name}.${this.info.domains.mesh}`, { path })
  }

  /** Signs in as the administrator and answers what can be done in the dev space. */
  async apps(): Promise<{ apps: Apps; cc: Session }> {
    const { urls, credentials, space } = this.info
    const cc = await new Session({ api: urls.cloudController, ...credentials }).signIn()
    const found = await cc.find(`/v3/spaces?names=${space}`)
    if (!found) throw new Error(`no space ${space}`)
    return { apps: new Apps(cc, found.guid), cc }
  }

  log(program: string): string {
    return readFileSync(join(this.data, 'logs', `${program}.log`), 'utf8')
  }

  async stop(signal: NodeJS.Signals = 'SIGINT'): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill(signal)
      await once(this.child, 'exit')
    }
  }

  async discard(): Promise<void> {
    await this.stop()
    rmSync(this.data, { recursive: true, force: true })
  }
}
