import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { envoyAbsent, type EngineName } from '../support/mesh.ts'
import { TestAuthority } from '../support/pki.ts'
import { Churn } from './support/churn.ts'
import { Load } from './support/load.ts'
import { meshDomain, Platform } from './support/platform.ts'
import { Programs, type Router } from './support/programs.ts'
import { Truth } from './support/truth.ts'

export interface SceneOptions {
  /** Requests a second and engine. */
  rate: number
  apps: number
  routers: number
  engines?: EngineName[]
}

const instances = 3
/** Longest that an answer takes where nothing is wrong, milliseconds; some apps take 300. */
const usualAnswer = 1_000

/** A platform, a mesh on it with both engines, requests at a steady rate, and a checker that knows the truth. */
export class Scene {
  readonly folder = mkdtempSync(join(tmpdir(), 'mesh-faults-'))
  readonly authority = new TestAuthority(join(this.folder, 'pki'))
  readonly identities = new TestAuthority(join(this.folder, 'identities'))
  platform!: Platform
  programs!: Programs
  truth!: Truth
  churn!: Churn
  loads: Load[] = []

  static async start({ rate, apps, routers, engines = envoyAbsent ? ['embedded'] : ['embedded', 'envoy'] }: SceneOptions): Promise<Scene> {
    const scene = new Scene()
    try {
      await scene.#start({ rate, apps, routers, engines })
    } catch (error) {
      await scene.stop()
      throw error
    }
    return scene
  }

  async #start({ rate, apps, routers, engines }: Required<SceneOptions>): Promise<void> {
    const { folder, authority, identities } = this
    mkdirSync(join(folder, 'platform'))
    const platform = (this.platform = await Platform.start({ folder: join(folder, 'platform'), authority, identities, apps, instances, answer }))
    this.truth = new Truth(platform.cells)
    this.churn = await Churn.on(platform, this.truth, instances)
    this.programs = await Programs.start({ folder: join(folder, 'programs'), authority, identities, platform, engines, routers })
    await this.whole(60_000)
    this.loads = engines.map((engine) => new Load(engine, this.programs.routers.filter((router) => router.engine === engine), this.truth, platform.cells.killed))
    for (const load of this.loads) load.start(rate)
    await this.#warm()
  }

  /** Waits until all connections stand that the first requests make, and forgets what that took. */
  async #warm(): Promise<void> {
    for (const end = performance.now() + 60_000; performance.now() < end; ) {
      await delay(1000)
      const tallies = await Promise.all(this.loads.map((load) => load.take()))
      if (tallies.every(({ slowest, failed }) => slowest < usualAnswer && !failed)) return
    }
    throw new Error('the mesh did not come to answer at once')
  }

  async stop(): Promise<void> {
    await this.churn?.stop()
    await Promise.all(this.loads.map((load) => load.stop()))
    await this.programs?.stop()
    await this.platform?.stop()
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** A router is about to be killed. */
  excuse(router: Router): void {
    for (const load of this.loads) load.excuse(router)
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
    for (const router of this.programs.routers) for (const host of this.truth.hosts) if (!(await this.#agrees(router, host))) found.push(`${router.program.name}: ${host}`)
    return found
  }

  async #agrees({ program }: Router, host: string): Promise<boolean> {
    const app = this.truth.owner(host)
    const wanted = app ? this.platform.cells.of(app).map(({ guid }) => guid) : []
    try {
      const answer = await fetch(`http://127.0.0.1:${program.health}/debug/resources?cluster=${encodeURIComponent(`pub/${host}.${meshDomain}`)}`, { signal: AbortSignal.timeout(2000) })
      const { version, instances = [] } = (await answer.json()) as { version?: string; instances?: string[] }
      return app ? instances.length === wanted.length && wanted.every((guid) => instances.includes(guid)) : version === undefined
    } catch {
      return false
    }
  }
}

/** An app: says who it is. Some answers take their time. */
function answer(request: import('node:http').IncomingMessage, response: import('node:http').ServerResponse, who: { app: string; instance: string }): void {
  const reply = (): void => void response.end(JSON.stringify({ ...who, probe: request.headers['x-probe'] }))
  request.resume()
  if (Math.random() < 0.05) setTimeout(reply, 300)
  else reply()
}
