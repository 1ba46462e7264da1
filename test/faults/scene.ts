import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { EngineName } from '../support/mesh.ts'
import { TestAuthority } from '../support/pki.ts'
import { Churn } from './support/churn.ts'
import { DistortedPlatform } from './support/distorted-platform.ts'
import { Load } from './support/load.ts'
import { meshDomain, type Platform } from './support/platform.ts'
import { Programs, type Router } from './support/programs.ts'
import { RealPlatform } from './support/real-platform.ts'
import { Truth } from './support/truth.ts'

export interface SceneOptions {
  /** Requests a second and engine. */
  rate: number
  /** Each with a route and three instances. */
  apps: number
  /** Routers of each engine. */
  routers: number
  engines: EngineName[]
  /** Time between two changes of a platform that changes, milliseconds. */
  pace: number
}

const instances = 3
/** Longest that an answer takes where nothing is wrong, milliseconds; some apps take 300. */
const usualAnswer = 1_000

/** A platform, a mesh on it, requests at a steady rate, and a checker that knows the truth. */
export abstract class Scene<Ground extends Platform = Platform> {
  readonly folder = mkdtempSync(join(tmpdir(), 'mesh-faults-'))
  readonly authority = new TestAuthority(join(this.folder, 'pki'))
  readonly identities = new TestAuthority(join(this.folder, 'identities'))
  platform!: Ground
  programs!: Programs
  truth!: Truth
  loads: Load[] = []
  readonly options: SceneOptions

  constructor(options: SceneOptions) {
    this.options = options
  }

  async start(): Promise<this> {
    try {
      await this.#start()
      return this
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  /** Ends everything; `keep` leaves the folder, with the logs. */
  async stop(keep = false): Promise<void> {
    await this.rest()
    await Promise.all(this.loads.map((load) => load.stop()))
    await this.programs?.stop()
    await this.platform?.stop()
    if (keep) console.log(`logs: ${this.folder}`)
    else rmSync(this.folder, { recursive: true, force: true })
  }

  /** Starts the platform, with its files in `folder`. */
  abstract ground(folder: string): Promise<Ground>

  /** What is to be there before the mesh sees the platform. */
  async prepare(): Promise<void> {}

  /** Lets the platform change as people and machines change it, until `rest`. */
  unrest(): void {}

  async rest(): Promise<void> {}

  /** Has a router killed by `kill`, which resolves once it is dead. */
  async excuse(router: Router, kill: () => Promise<void>): Promise<void> {
    await this.loads.find(({ engine }) => engine === router.engine)!.excuse(router, kill)
  }

  /**
   * Waits until every router has for every host just the instances that run; milliseconds it took, or undefined where that was
   * not within `limit`. The platform has to stand still meanwhile.
   */
  async whole(limit: number): Promise<number | undefined> {
    await this.platform.cells.settled()
    const began = performance.now()
    const hosts = this.truth.hosts
    const open = this.programs.routers.map((router) => ({ router, hosts: new Set(hosts) }))
    for (; performance.now() - began < limit; await delay(50)) {
      await Promise.all(
        open.map(async ({ router, hosts }) => {
          for (const host of hosts) if (await this.#agrees(router, host)) hosts.delete(host)
        }),
      )
      if (open.some(({ hosts }) => hosts.size)) continue
      this.truth.whole()
      return performance.now() - began
    }
    return undefined
  }

  /** What routers have otherwise than the platform, for a report. */
  async differences(): Promise<string[]> {
    const found: string[] = []
    for (const router of this.programs.routers)
      for (const host of this.truth.hosts) if (!(await this.#agrees(router, host))) found.push(`${router.program.name}: ${host}`)
    return found
  }

  async #start(): Promise<void> {
    const { folder, authority, identities } = this
    const { rate, routers, engines } = this.options
    const ground = join(folder, 'platform')
    mkdirSync(ground)
    const platform = (this.platform = await this.ground(ground))
    this.truth = new Truth(platform.cells)
    await this.truth.read(platform.session)
    await this.prepare()
    this.programs = await Programs.start({ folder: join(folder, 'programs'), authority, identities, platform, engines, routers })
    await this.whole(60_000)
    this.loads = engines.map(
      (engine) =>
        new Load(
          engine,
          this.programs.routers.filter((router) => router.engine === engine),
          this.truth,
          platform.cells.killed,
        ),
    )
    for (const load of this.loads) load.start(rate)
    await this.#warm()
  }

  /** Waits until all connections stand that the first requests make, and forgets what that took. */
  async #warm(): Promise<void> {
    for (const end = performance.now() + 60_000; performance.now() < end;) {
      await delay(1000)
      const tallies = await Promise.all(this.loads.map((load) => load.take()))
      if (tallies.every(({ slowest, failed }) => slowest < usualAnswer && !failed)) return
    }
    throw new Error('the mesh did not come to answer at once')
  }

  async #agrees({ program }: Router, host: string): Promise<boolean> {
    const app = this.truth.owner(host)
    const wanted = app ? this.platform.cells.of(app).map(({ guid }) => guid) : []
    try {
      const answer = await fetch(
        `http://127.0.0.1:${program.health}/debug/resources?cluster=${encodeURIComponent(`pub/${host}.${meshDomain}`)}`,
        { signal: AbortSignal.timeout(2000) },
      )
      const { version, instances = [] } = (await answer.json()) as { version?: string; instances?: string[] }
      return app ? instances.length === wanted.length && wanted.every((guid) => instances.includes(guid)) : version === undefined
    } catch {
      return false
    }
  }
}

/** On a platform whose sources can be made to lie, and that changes all the time. */
export class DistortedScene extends Scene<DistortedPlatform> {
  churn!: Churn

  ground(folder: string): Promise<DistortedPlatform> {
    const { authority, identities, options } = this
    return DistortedPlatform.start({ folder, authority, identities, apps: options.apps, instances, answer })
  }

  override async prepare(): Promise<void> {
    this.churn = await Churn.on(this.platform, this.truth, { instances, pace: this.options.pace })
  }

  override unrest(): void {
    this.churn.start()
  }

  override async rest(): Promise<void> {
    await this.churn?.stop()
  }
}

/** On the foundation as it is, with an own process for each app. */
export class RealScene extends Scene<RealPlatform> {
  ground(folder: string): Promise<RealPlatform> {
    const { authority, identities, options } = this
    return RealPlatform.start({ folder, authority, identities, apps: options.apps, instances })
  }
}

/** An app: says who it is. Some answers take their time. */
function answer(request: IncomingMessage, response: ServerResponse, who: { app: string; instance: string }): void {
  const reply = (): void => void response.end(JSON.stringify({ ...who, probe: request.headers['x-probe'] }))
  request.resume()
  if (Math.random() < 0.05) setTimeout(reply, 300)
  else reply()
}
