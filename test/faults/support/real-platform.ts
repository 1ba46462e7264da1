import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Apps } from '../../../src/cli/dev/apps.ts'
import { Session } from '../../../src/cli/dev/session.ts'
import type { ContainerSpec } from '../../../src/foundation/diego/container/contract.ts'
import { pidFiles, specFile } from '../../../src/foundation/diego/container/contract.ts'
import type { TestAuthority } from '../../support/pki.ts'
import { isAlive } from '../../support/processes.ts'
import { freePort } from '../../support/program.ts'
import { eventually } from '../../support/wait.ts'
import { meshDomain, type Death, type Instances, type Platform, type Running } from './platform.ts'
import { Program } from './programs.ts'

export interface RealPlatformOptions {
  folder: string
  authority: TestAuthority
  identities: TestAuthority
  /** Each app has one route `app-N`. */
  apps: number
  instances: number
}

/** Says who it is, and takes its time now and then. */
const app = `
const { createServer } = require('node:http')
const who = { app: JSON.parse(process.env.VCAP_APPLICATION).application_id, instance: process.env.CF_INSTANCE_GUID }
const server = createServer((request, response) => {
  request.resume()
  setTimeout(() => response.end(JSON.stringify({ ...who, probe: request.headers['x-probe'] })), Math.random() < 0.05 ? 300 : 0)
})
server.keepAliveTimeout = 90_000
server.listen(process.env.PORT)
`

/** The foundation as a program of its own, with real apps: one process each, and one for its container. */
export class RealPlatform implements Platform {
  readonly foundation: Program
  readonly cells: Containers
  readonly cc: { port: number }
  readonly bbs: { port: number }
  readonly session: Session

  private constructor(fields: Pick<RealPlatform, 'foundation' | 'cells' | 'cc' | 'bbs' | 'session'>) {
    this.foundation = fields.foundation
    this.cells = fields.cells
    this.cc = fields.cc
    this.bbs = fields.bbs
    this.session = fields.session
  }

  static async start({ folder, authority, identities, apps, instances }: RealPlatformOptions): Promise<RealPlatform> {
    const host = '127.0.0.1'
    const data = join(folder, 'data')
    const source = join(folder, 'app')
    mkdirSync(source, { recursive: true })
    writeFileSync(join(source, 'app.js'), app)
    const identityKey = join(folder, 'identities.key')
    writeFileSync(identityKey, identities.pair.key, { mode: 0o600 })
    const [cc, bbs] = [{ port: await freePort() }, { port: await freePort() }]
    const foundation = new Program('foundation', 'foundation', folder, await freePort(), {
      data,
      cloudController: { http: { host, port: cc.port } },
      uaa: { http: { host, port: await freePort() } },
      logCache: { http: { host, port: await freePort() } },
      bbs: { listen: { host, port: bbs.port }, tls: authority.issue('bbs') },
      admin: { username: 'admin', password: 'admin' },
      clients: [{ id: 'syncer', secret: 'secret', authorities: ['cloud_controller.admin_read_only'] }],
      tokens: { accessSeconds: 86_400 },
      domains: [{ name: meshDomain }],
      cells: { ca: identities.ca, caKey: identityKey, routerCa: authority.ca, handover: 120 },
    })
    foundation.start()
    await foundation.lives()
    const session = await new Session({ api: `http://${host}:${cc.port}`, user: 'admin', password: 'admin' }).signIn()
    const cells = new Containers(join(data, 'containers'), session)
    const platform = new RealPlatform({ foundation, cells, cc, bbs, session })
    const organization = await session.post('/v3/organizations', { name: 'org' })
    const space = await session.post('/v3/spaces', {
      name: 'space',
      relationships: { organization: { data: { guid: organization.guid } } },
    })
    const people = new Apps(session, space.guid)
    await Promise.all(
      Array.from({ length: apps }, (_, n) =>
        people.push(
          { name: `app-${n}`, path: source, instances, command: `${process.execPath} app.js`, routes: [`app-${n}.${meshDomain}`] },
          () => {},
        ),
      ),
    )
    await cells.settled()
    return platform
  }

  async stop(): Promise<void> {
    this.cells.close()
    for (const { guid } of await this.session.list('/v3/apps')) await this.session.delete(`/v3/apps/${guid}`)
    await eventually(() => this.cells.guids.length === 0, 30_000)
    await this.session.close()
    await this.foundation.stop()
  }
}

/** The instances of a foundation, read from the folders of their containers and from Cloud Controller. */
class Containers implements Instances {
  readonly running = new Map<string, Running>()
  readonly history = new Map<string, string>()
  readonly killed = new Map<string, Death[]>()
  readonly #folder: string
  readonly #session: Session
  readonly #looking: NodeJS.Timeout

  constructor(folder: string, session: Session) {
    this.#folder = folder
    this.#session = session
    mkdirSync(folder, { recursive: true })
    // More often than an instance can start and answer.
    this.#looking = setInterval(() => this.#look(), 20)
  }

  /** Guids of the containers that there are. */
  get guids(): string[] {
    return readdirSync(this.#folder)
  }

  close(): void {
    clearInterval(this.#looking)
  }

  of(app: string): Running[] {
    return [...this.running.values()].filter((one) => one.app === app)
  }

  async settled(): Promise<void> {
    const running = await eventually(() => this.#wanted(), 60_000)
    this.running.clear()
    for (const one of running) this.running.set(one.guid, one)
  }

  /** Kills a process of an instance without a word: the app's own, or its container's. */
  async kill({ guid, app }: Running, which: keyof typeof pidFiles): Promise<void> {
    const death = { from: performance.now(), to: Infinity }
    this.killed.set(app, [...(this.killed.get(app) ?? []), death])
    const container = this.pid(guid, 'container')
    process.kill(this.pid(guid, which), 'SIGKILL')
    // The container ends with the app, once it sees that it is gone.
    await eventually(() => !isAlive(container))
    death.to = performance.now()
  }

  /** Process id of an instance's app, or of its container. */
  pid(guid: string, which: keyof typeof pidFiles): number {
    return Number(readFileSync(join(this.#folder, guid, pidFiles[which]), 'utf8').split(' ')[0])
  }

  /** All instances, once as many run as are wanted. */
  async #wanted(): Promise<Running[] | undefined> {
    const found: Running[] = []
    for (const { guid: app } of await this.#session.list('/v3/apps?per_page=5000')) {
      const { guid: process } = await this.#session.get(`/v3/apps/${app}/processes/web`)
      const { resources } = (await this.#session.get(`/v3/processes/${process}/stats`)) as unknown as {
        resources: { index: number; state: string; instance_guid: string }[]
      }
      if (!resources.length || resources.some(({ state, instance_guid: guid }) => state !== 'RUNNING' || !this.#lives(guid)))
        return undefined
      for (const { index, instance_guid: guid } of resources) found.push({ guid, app, process, index, stopping: false })
    }
    return found
  }

  /** Whether both of an instance's processes are there; what was killed a moment ago may not have been noticed yet. */
  #lives(guid: string): boolean {
    try {
      return process.kill(this.pid(guid, 'container'), 0) && process.kill(this.pid(guid, 'app'), 0)
    } catch {
      return false
    }
  }

  #look(): void {
    for (const guid of this.guids) {
      if (this.history.has(guid)) continue
      try {
        const { process } = JSON.parse(readFileSync(join(this.#folder, guid, specFile), 'utf8')) as ContainerSpec
        this.history.set(guid, process.appGuid)
      } catch {
        // It is being made, or gone.
      }
    }
  }
}
