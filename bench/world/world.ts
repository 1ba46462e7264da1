import { globSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Agent } from 'undici'
import { Session } from '../../src/cli/dev/session.ts'
import { Program } from '../../test/faults/support/programs.ts'
import { envoyAbsent, type EngineName } from '../../test/support/mesh.ts'
import { TestAuthority } from '../../test/support/pki.ts'
import { freePort } from '../../test/support/program.ts'
import { eventually } from '../../test/support/wait.ts'
import type { Backend, Instance } from '../data-plane/proxy.ts'
import type { InstancesMethods, InstancesOptions } from './instances.ts'
import type { PlatformMethods, PlatformOptions } from './platform.ts'
import { Remote } from './remote.ts'

export const meshDomain = 'mesh.test'
export const engines: EngineName[] = envoyAbsent ? ['embedded'] : ['envoy', 'embedded']

export interface Router {
  engine: EngineName
  program: Program
  http: number
  https: number
}

export interface WorldOptions {
  routes: number
  /** Of each app; each route has an app of its own. */
  instances?: number
  /** Whether full reads of BBS and Cloud Controller come as often as by default; else only the first. */
  fullReads?: boolean
  engines?: EngineName[]
  /** pilot's `translation` settings, where not the defaults. */
  translation?: object
  /** Spaces that the routes are in, in their order; 1. */
  spaces?: number
}

const never = 86_400_000

/**
 * A Cloud Foundry of any size and a mesh on it, one router of each engine; every program a process of its own, all settings the defaults.
 */
export class World {
  readonly routes: number
  /** Guids of the apps; the nth has the route `app-N.DOMAIN`. */
  apps: string[] = []
  platform!: Remote<PlatformMethods>
  instances!: Remote<InstancesMethods>
  /** As the administrator of Cloud Controller. */
  cf!: Session
  /** Guid of the first space. */
  space = ''
  #spaces: string[] = []
  domain = ''
  /** copilot's API for people. */
  #api = ''
  programs!: { copilot: Program; pilot: Program; syncer: Program }
  routers: Router[] = []
  readonly #folder = mkdtempSync(join(tmpdir(), 'mesh-bench-'))
  readonly #authority = new TestAuthority(join(this.#folder, 'pki'))
  readonly #identities = new TestAuthority(join(this.#folder, 'identities'))
  readonly #options: WorldOptions & Required<Pick<WorldOptions, 'instances' | 'fullReads' | 'engines'>>
  readonly agent = new Agent({ connections: 64, pipelining: 1 })

  private constructor(options: WorldOptions) {
    this.#options = { instances: 2, fullReads: false, engines, ...options }
    this.routes = options.routes
  }

  /** Brings up the platform with all its routes, and configures the mesh; `startAll` starts it. */
  static async create(options: WorldOptions): Promise<World> {
    const world = new World(options)
    try {
      await world.#create()
    } catch (error) {
      await world.stop()
      throw error
    }
    return world
  }

  /** A world whose routers answer every route. */
  static async start(options: WorldOptions): Promise<World> {
    const world = await World.create(options)
    try {
      await world.startAll()
    } catch (error) {
      await world.stop()
      throw error
    }
    return world
  }

  /** The programs under measurement by name; Envoy's own process and the agent that feeds it apart. */
  processes(routers = this.routers): Record<string, number[]> {
    const { copilot, pilot, syncer } = this.programs
    return {
      'route-syncer': [syncer.pid],
      copilot: [copilot.pid],
      pilot: [pilot.pid],
      ...Object.assign(
        {},
        ...routers.map(({ engine, program }) =>
          engine === 'envoy'
            ? { 'router (agent)': [program.pid], 'router (Envoy)': program.children.slice(0, 1) }
            : { 'router (embedded)': [program.pid] },
        ),
      ),
    }
  }

  /** Every program of the mesh, in the order of the data. */
  get all(): Program[] {
    return [this.programs.syncer, this.programs.copilot, this.programs.pilot, ...this.routers.map(({ program }) => program)]
  }

  async startAll(): Promise<void> {
    for (const program of this.all) program.start()
    await Promise.all(this.all.map((program) => eventually(() => program.lives(), 600_000)))
    await Promise.all(this.routers.map((router) => this.whole(router)))
    await Promise.all(this.routers.map((router) => this.loaded(router)))
  }

  /** Ends programs, which then know nothing of before: copilot's store and a router's copy on disk are removed. */
  async wipe(programs: Program[]): Promise<void> {
    await Promise.all(programs.map((program) => program.stop()))
    const folder = join(this.#folder, 'programs')
    for (const { name } of programs)
      for (const file of globSync(name === 'copilot' ? 'copilot.db*' : name, { cwd: folder }))
        rmSync(join(folder, file), { recursive: true })
  }

  /** Waits until a router answers the last, the first and a hundred other routes. */
  async whole({ http }: Router, limit = 1_200_000): Promise<void> {
    const step = Math.max(1, Math.floor(this.routes / 100))
    const answers = (n: number): Promise<unknown> => eventually(async () => (await this.ask(http, `app-${n}`)).status === 200, limit)
    await answers(this.routes - 1)
    await Promise.all([...Array(Math.ceil(this.routes / step)).keys()].map((nth) => answers(this.routes - 1 - nth * step)))
  }

  /** Waits until a router's Envoy has been given what it serves without it, too. */
  async loaded({ program }: Router): Promise<void> {
    await eventually(async () => (await program.condition()).conditions['engine']!['loading'] === undefined, 600_000)
  }

  /** One request to a router over a connection that is kept. */
  async ask(port: number, host: string, path = '/'): Promise<{ status: number; body: string; cookie: string }> {
    const { statusCode, body, headers } = await this.agent.request({
      origin: `http://127.0.0.1:${port}`,
      path,
      method: 'GET',
      headers: { host: `${host}.${meshDomain}` },
    })
    return { status: statusCode, body: await body.text(), cookie: String(headers['set-cookie'] ?? '') }
  }

  /** Guid of the space that the nth route is in. */
  spaceOf(n: number): string {
    return this.#spaces[Math.floor(n / Math.ceil(this.routes / this.#spaces.length))]!
  }

  /** Applies Istio resources, as operators and app developers do. */
  async apply(documents: object[]): Promise<void> {
    const { statusCode, body } = await this.agent.request({
      origin: this.#api,
      path: '/v1/resources/apply',
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ documents, namespace: this.space }),
    })
    const text = await body.text()
    if (statusCode !== 200) throw new Error(`apply: ${statusCode} ${text.slice(0, 1000)}`)
  }

  /** The instances of the nth app, for proxies other than ours, and what they need to be let in. */
  async backend(n: number): Promise<Backend> {
    const app = this.apps[n]!
    const guids = await this.platform.call('instancesOf', app)
    // One server answers at all addresses of 127.0.0.0/8.
    const [first, ...others] = guids.map((guid, index): Instance => ({ guid, address: `127.0.0.${2 + index}` }))
    const { ca: _ca, ...server } = this.#authority.issue('router', { dns: [`*.${meshDomain}`], usages: ['server'] })
    const { ca: _same, ...client } = this.#authority.issue('backend', { dns: ['gorouter.service.cf.internal'] })
    const folder = join(this.#folder, 'proxies')
    mkdirSync(folder, { recursive: true })
    return {
      instances: [first!, ...others],
      port: await this.instances.call('port'),
      files: { ca: this.#identities.ca, server, client },
      folder,
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.programs ? this.all.map((program) => program.stop()) : [])
    await Promise.all([this.platform?.stop(), this.instances?.stop(), this.cf?.close(), this.agent.destroy()])
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #create(): Promise<void> {
    const { routes, instances } = this.#options
    const folder = join(this.#folder, 'platform')
    mkdirSync(folder)
    this.instances = new Remote('instances.ts', {
      identities: this.#identities.pair,
      routerCa: this.#authority.pair.certificate,
    } satisfies InstancesOptions)
    const port = await this.instances.call('port')
    const ports = { cloudController: await freePort(), uaa: await freePort(), logCache: await freePort(), bbs: await freePort() }
    this.platform = new Remote('platform.ts', {
      folder,
      tls: this.#authority.issue('bbs'),
      ports,
      instances: port,
      meshDomain,
    } satisfies PlatformOptions)
    const api = `http://127.0.0.1:${ports.cloudController}`
    this.cf = await eventually(() => new Session({ api, user: 'admin', password: 'admin' }).signIn(), 600_000)
    const organization = await this.cf.post('/v3/organizations', { name: 'org' })
    for (let n = 0; n < (this.#options.spaces ?? 1); n++)
      this.#spaces.push(
        (await this.cf.post('/v3/spaces', { name: `space-${n}`, relationships: { organization: { data: { guid: organization.guid } } } }))
          .guid,
      )
    this.space = this.#spaces[0]!
    this.domain = (await this.cf.find(`/v3/domains?names=${meshDomain}`))!.guid
    this.apps = await this.platform.call('load', { spaces: this.#spaces, routes, instances })
    await this.#configure(api, ports.bbs)
  }

  async #configure(api: string, bbsPort: number): Promise<void> {
    const folder = join(this.#folder, 'programs')
    mkdirSync(folder)
    const authority = this.#authority
    const listen = (port: number) => ({ host: '127.0.0.1', port })
    const program = async (name: string, main: string, config: object): Promise<Program> =>
      new Program(name, main, folder, await freePort(), config)
    const [copilotPort, pilotPort] = [await freePort(), await freePort()]
    const copilotUrl = `https://127.0.0.1:${copilotPort}`
    const apiPort = await freePort()
    this.#api = `http://127.0.0.1:${apiPort}`
    const { translation } = this.#options
    const seldom = this.#options.fullReads ? {} : { fullInterval: never }
    const copilot = await program('copilot', 'copilot', {
      listen: listen(copilotPort),
      tls: authority.issue('copilot'),
      api: { listen: listen(apiPort) },
      store: { file: join(folder, 'copilot.db') },
    })
    const pilot = await program('pilot', 'pilot', {
      listen: listen(pilotPort),
      tls: authority.issue('pilot'),
      debug: { listen: listen(await freePort()) },
      copilot: { url: copilotUrl, tls: authority.issue('pilot') },
      ...(translation && { translation }),
    })
    const syncer = await program('route-syncer', 'route-syncer', {
      uaa: { clientId: 'syncer', clientSecret: 'secret' },
      cloudController: { url: api, ...seldom },
      bbs: { addresses: [`https://127.0.0.1:${bbsPort}`], tls: authority.issue('route-syncer'), ...seldom },
      copilot: { url: copilotUrl, tls: authority.issue('route-syncer') },
      meshDomains: [meshDomain],
    })
    this.programs = { copilot, pilot, syncer }
    for (const engine of this.#options.engines) {
      const [http, https] = [await freePort(), await freePort()]
      const { ca: _ca, ...server } = authority.issue('router', { dns: [`*.${meshDomain}`], usages: ['server'] })
      const { ca: _same, ...backend } = authority.issue('backend', { dns: ['gorouter.service.cf.internal'] })
      const listener = (name: string, port: number, tls: boolean) => ({ name, address: '127.0.0.1', port, tls })
      const config = {
        name: engine,
        engine,
        pilot: { addresses: [`127.0.0.1:${pilotPort}`], tls: authority.issue('istio-router') },
        listeners: [listener('http', http, false), listener('https', https, true)],
        keypairs: [{ name: 'default', ...server }],
        backend: { ...backend, ca: this.#identities.ca },
        cache: join(folder, engine),
        accessLog: join(folder, `${engine}.access.log`),
      }
      this.routers.push({ engine, program: await program(engine, 'istio-router', config), http, https })
    }
  }
}
