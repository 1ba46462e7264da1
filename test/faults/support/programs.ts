import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { stringify } from 'yaml'
import type { EngineName } from '../../support/mesh.ts'
import type { TestAuthority } from '../../support/pki.ts'
import { freePort } from '../../support/program.ts'
import { eventually } from '../../support/wait.ts'
import { AdsRelay } from './ads-relay.ts'
import { meshDomain, type Platform } from './platform.ts'

/** What ends the programs with this process, however it ends. */
const endings = new Set<() => void>()
process.once('exit', () => {
  for (const end of endings) end()
})

/** As jobs/pilot has it started; and as all jobs have it, what Node compiled is kept. */
const asDeployed = ['--min-semi-space-size=16', '--max-semi-space-size=16']

/** One of our programs, which can be killed, paused and started again with the same configuration and ports. */
export class Program {
  readonly name: string
  readonly health: number
  readonly #folder: string
  readonly #program: string
  #child: ChildProcess | undefined

  constructor(name: string, program: string, folder: string, health: number, config: object) {
    this.name = name
    this.health = health
    this.#program = program
    this.#folder = folder
    writeFileSync(this.#config, stringify({ health: { listen: { host: '127.0.0.1', port: health } }, log: { level: 'info' }, ...config }), {
      mode: 0o600,
    })
    endings.add(() => this.#child?.kill('SIGKILL'))
  }

  get #config(): string {
    return join(this.#folder, `${this.name}.yml`)
  }

  /** File of what it writes. */
  get log(): string {
    return join(this.#folder, `${this.name}.log`)
  }

  get pid(): number {
    if (!this.#child?.pid) throw new Error(`${this.name} does not run`)
    return this.#child.pid
  }

  start(): void {
    const log = openSync(this.log, 'a')
    const flags = this.#program === 'pilot' ? asDeployed : []
    this.#child = spawn(
      process.execPath,
      [...flags, resolve(import.meta.dirname, `../../../src/${this.#program}/main.ts`), '--config', this.#config],
      { stdio: ['ignore', log, log], env: { ...process.env, NODE_COMPILE_CACHE: join(this.#folder, 'compile-cache') } },
    )
    closeSync(log)
  }

  /** Sends a signal, and waits for the end where it is one that ends. */
  async signal(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    child.kill(signal)
    if (signal === 'SIGKILL' || signal === 'SIGTERM') await once(child, 'exit')
  }

  async stop(): Promise<void> {
    await this.signal('SIGCONT')
    await this.signal('SIGKILL')
  }

  /** Waits until it lives: its `/health` answers. */
  async lives(): Promise<this> {
    await eventually(async () => {
      if (this.#child?.exitCode !== null) throw new Error(`${this.name} ended: ${readFileSync(this.log, 'utf8').slice(-1000)}`)
      return (await fetch(`http://127.0.0.1:${this.health}/health`, { signal: AbortSignal.timeout(1000) })).ok
    }, 60_000)
    return this
  }

  /** What its health says. */
  async condition(): Promise<{
    ready: boolean
    conditions: Record<string, { ready: boolean; reason?: string; [detail: string]: unknown }>
  }> {
    return (await (await fetch(`http://127.0.0.1:${this.health}/health`, { signal: AbortSignal.timeout(2000) })).json()) as Awaited<
      ReturnType<Program['condition']>
    >
  }

  /** Process ids of its children. */
  get children(): number[] {
    return readdirSync('/proc')
      .filter((pid) => /^\d+$/.test(pid) && parentOf(pid) === this.pid)
      .map(Number)
  }
}

/** One router and where it answers. */
export interface Router {
  program: Program
  engine: EngineName
  http: number
  https: number
  probe: number
}

export interface ProgramsOptions {
  folder: string
  authority: TestAuthority
  identities: TestAuthority
  platform: Platform
  engines: EngineName[]
  /** Routers of each engine. */
  routers: number
}

/** The mesh under test: one of each program, and routers of each engine. */
export class Programs {
  readonly syncer: Program
  readonly copilot: Program
  readonly pilot: Program
  readonly routers: Router[]
  readonly copilotPort: number
  readonly pilotPort: number
  /** Port of copilot's API for people. */
  readonly api: number
  /** Between routers and pilot. */
  readonly ads: AdsRelay

  private constructor(fields: Pick<Programs, 'syncer' | 'copilot' | 'pilot' | 'routers' | 'copilotPort' | 'pilotPort' | 'api' | 'ads'>) {
    this.syncer = fields.syncer
    this.copilot = fields.copilot
    this.pilot = fields.pilot
    this.routers = fields.routers
    this.copilotPort = fields.copilotPort
    this.pilotPort = fields.pilotPort
    this.api = fields.api
    this.ads = fields.ads
  }

  get all(): Program[] {
    return [this.copilot, this.pilot, this.syncer, ...this.routers.map(({ program }) => program)]
  }

  static async start({ folder, authority, identities, platform, engines, routers }: ProgramsOptions): Promise<Programs> {
    mkdirSync(folder, { recursive: true })
    const [copilotPort, api, pilotPort, debug] = [await freePort(), await freePort(), await freePort(), await freePort()]
    const listen = (port: number) => ({ host: '127.0.0.1', port })
    const copilotUrl = `https://127.0.0.1:${copilotPort}`
    const program = async (name: string, main: string, config: object): Promise<Program> =>
      new Program(name, main, folder, await freePort(), config)

    const copilot = await program('copilot', 'copilot', {
      listen: listen(copilotPort),
      tls: authority.issue('copilot'),
      api: { listen: listen(api) },
      store: { file: join(folder, 'copilot.db') },
    })
    const pilot = await program('pilot', 'pilot', {
      listen: listen(pilotPort),
      tls: authority.issue('pilot'),
      debug: { listen: listen(debug) },
      copilot: { url: copilotUrl, tls: authority.issue('pilot') },
    })
    const syncer = await program('route-syncer', 'route-syncer', {
      uaa: { clientId: 'syncer', clientSecret: 'secret' },
      cloudController: { url: `http://127.0.0.1:${platform.cc.port}`, pollInterval: 250, fullInterval: 1_000 },
      bbs: { addresses: [`https://127.0.0.1:${platform.bbs.port}`], tls: authority.issue('route-syncer'), fullInterval: 1_000 },
      copilot: { url: copilotUrl, tls: authority.issue('route-syncer') },
      meshDomains: [meshDomain],
    })
    const ads = await new AdsRelay({
      pilot: pilotPort,
      tls: { pilot: authority.issue('pilot'), router: authority.issue('istio-router') },
    }).listen()
    const all: Router[] = []
    for (const engine of engines) {
      for (let n = 0; n < routers; n++) {
        const name = `${engine}-${n}`
        const [http, https, probe] = [await freePort(), await freePort(), await freePort()]
        const { ca: _ca, ...server } = authority.issue('router', { dns: [`*.${meshDomain}`], usages: ['server'] })
        const { ca: _same, ...backend } = authority.issue('backend', { dns: ['gorouter.service.cf.internal'] })
        const listener = (name: string, port: number, tls: boolean) => ({ name, address: '127.0.0.1', port, tls })
        const config = {
          name,
          engine,
          pilot: { addresses: [`127.0.0.1:${ads.port}`], tls: authority.issue('istio-router') },
          listeners: [listener('http', http, false), listener('https', https, true)],
          keypairs: [{ name: 'default', ...server }],
          backend: { ...backend, ca: identities.ca },
          cache: join(folder, name),
          accessLog: join(folder, `${name}.access.log`),
          drain: { wait: 3_000, limit: 10_000 },
          probe: { listen: listen(probe) },
          // With as few hosts as here Envoy would have all before it serves.
          envoy: { concurrency: 1, loadAtOnce: 0 },
        }
        all.push({ program: await program(name, 'istio-router', config), engine, http, https, probe })
      }
    }
    const programs = new Programs({ syncer, copilot, pilot, routers: all, copilotPort, pilotPort, api, ads })
    for (const program of programs.all) program.start()
    await Promise.all(programs.all.map((program) => program.lives()))
    return programs
  }

  async stop(): Promise<void> {
    await Promise.all(this.all.map((program) => program.stop()))
    this.ads.close()
  }
}

function parentOf(pid: string): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return undefined
  }
}

/** Size of a file in bytes, 0 where there is none. */
export function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0
}
