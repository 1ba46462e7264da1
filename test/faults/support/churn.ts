import { setTimeout as delay } from 'node:timers/promises'
import type { DistortedPlatform } from './distorted-platform.ts'
import type { Truth } from './truth.ts'

interface AppUnderTest {
  guid: string
  wanted: number
  /** Whether it is scaled now and then, one up and down again. */
  scaled: boolean
}

/** Instances that a router asks for one request; so many less one may be dead among those that it knows. */
const attempts = 3

/** Hosts that come, go and move between apps while the mesh is tried. */
const movingHosts = 40

/** Changes the platform all the time, as people and machines do, and tells the checker of it beforehand. */
export class Churn {
  readonly #platform: DistortedPlatform
  readonly #truth: Truth
  readonly #apps: AppUnderTest[]
  readonly #least: number
  readonly #pace: number
  readonly #routes = new Map<string, string>()
  /** An app that is left alone, since a fault has it in hand. */
  spared: string | undefined
  #stop = new AbortController()
  #running = Promise.resolve()
  changes = 0

  private constructor(platform: DistortedPlatform, truth: Truth, apps: AppUnderTest[], pace: number) {
    this.#platform = platform
    this.#truth = truth
    this.#apps = apps
    this.#pace = pace
    this.#least = apps[0]?.wanted ?? 0
  }

  /**
   * Takes the platform's apps, each with `instances`, and makes the hosts that move. `pace` is the time between two changes, milliseconds.
   */
  static async on(platform: DistortedPlatform, truth: Truth, { instances, pace }: { instances: number; pace: number }): Promise<Churn> {
    const apps = await platform.session.list('/v3/apps?per_page=5000')
    const churn = new Churn(
      platform,
      truth,
      apps.map(({ guid }, n) => ({ guid, wanted: instances, scaled: n % 2 === 0 })),
      pace,
    )
    for (let n = 0; n < movingHosts; n++) await churn.#move(`moving-${n}`)
    return churn
  }

  start(): void {
    this.#stop = new AbortController()
    const { signal } = this.#stop
    this.#running = (async () => {
      while (!signal.aborted) {
        await this.once()
        await delay(this.#pace, undefined, { signal }).catch(() => {})
      }
    })()
  }

  /** Ends it and waits until the platform has done what was asked. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
    await this.#platform.cells.settled()
  }

  /** One change, by chance. */
  async once(): Promise<void> {
    const kinds = [
      () => this.#crash(),
      () => this.#crash(),
      () => this.#move(`moving-${Math.floor(Math.random() * movingHosts)}`),
      () => this.#scale(),
    ]
    await kinds[Math.floor(Math.random() * kinds.length)]!()
    this.changes++
  }

  /** Two containers of different apps die, and each one's port becomes the other's. */
  async crash(): Promise<void> {
    await this.#crash()
  }

  async #crash(): Promise<void> {
    const { cells } = this.#platform
    const victims = this.#any().flatMap((app) => cells.of(app.guid).find((one) => !one.stopping && this.#mayLose(app, one.guid)) ?? [])
    if (victims.length >= 2) await cells.crash(victims.slice(0, 2))
  }

  /** A host is mapped, unmapped, or moved from one app to another as blue-green deployments do. */
  async #move(host: string): Promise<void> {
    const { session } = this.#platform
    const before = this.#truth.owner(host)
    const app = this.#any().find(({ guid }) => guid !== before)!
    const route = await this.#route(host)
    const path = `/v3/routes/${route}/destinations`
    const old = before && ((await session.get(path))['destinations'] as { guid: string }[])[0]?.guid
    const map = !before || Math.random() < 0.6
    this.#truth.set(host, map ? app.guid : undefined)
    if (map) await session.post(path, { destinations: [{ app: { guid: app.guid } }] })
    if (old) await session.delete(`${path}/${old}`)
  }

  async #scale(): Promise<void> {
    const app = this.#any().find(({ scaled }) => scaled)!
    const down = app.wanted > this.#least
    const last = this.#platform.cells.of(app.guid).find(({ index }) => index === app.wanted - 1)
    if (down && last && !this.#mayLose(app, last.guid)) return
    app.wanted += down ? -1 : 1
    await this.#platform.session.post(`/v3/apps/${app.guid}/processes/web/actions/scale`, { instances: app.wanted })
  }

  #mayLose({ guid: app, scaled }: AppUnderTest, guid: string): boolean {
    const most = this.#least + Number(scaled)
    return this.#truth.mayLose(app, guid, most - attempts + 1)
  }

  #any(): AppUnderTest[] {
    return shuffled(this.#apps.filter(({ guid }) => guid !== this.spared))
  }

  async #route(host: string): Promise<string> {
    const { session, space, domain } = this.#platform
    let guid = this.#routes.get(host)
    if (!guid) {
      const relationships = { space: { data: { guid: space } }, domain: { data: { guid: domain } } }
      this.#routes.set(host, (guid = (await session.post('/v3/routes', { host, relationships })).guid))
    }
    return guid
  }
}

export function shuffled<Item>(items: Item[]): Item[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item)
}
