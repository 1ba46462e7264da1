import { meshDomain, type World } from '../world/world.ts'
import { watch, type Lags } from '../propagation/watch.ts'

/** Resources in one request to copilot. */
const batch = 200

/** VirtualServices of a world: with more of them than routes, hosts have several, each for paths of its own. */
export class Services {
  readonly #world: World
  readonly #versions: number[] = []
  #turn = 0

  constructor(world: World) {
    this.#world = world
  }

  get count(): number {
    return this.#versions.length
  }

  /** Adds some until there are `count`; answers when every router has the last. */
  async grow(count: number): Promise<void> {
    while (this.count < count) {
      const first = this.count
      for (let n = first; n < Math.min(count, first + batch); n++) this.#versions.push(0)
      await this.#world.apply(this.#versions.slice(first).map((_version, at) => this.#service(first + at)))
    }
    // One more change, since the first answer of a new host cannot be told from that of its route.
    await this.change(20, count - 1)
  }

  /**
   * Changes one of them, the next in turn; times from the call until each router answers by it. `pace` is in milliseconds between two
   * questions.
   */
  async change(pace: number, n = this.#turn++ % this.count): Promise<Lags> {
    const version = String(++this.#versions[n]!)
    const { host, path } = this.#at(n)
    return watch(this.#world, {
      host,
      path: `${path}/version`,
      pace,
      shows:
        () =>
        ({ body }) =>
          body === version,
      act: () => this.#world.apply([this.#service(n)]),
    })
  }

  #at(n: number): { host: string; path: string } {
    return { host: `app-${this.#numberOf(n)}`, path: `/rule-${Math.floor(n / this.#world.routes)}` }
  }

  /** The route of the nth of them: far from that of the one before, so that all spaces have some. */
  #numberOf(n: number): number {
    return (n * 7919) % this.#world.routes
  }

  #service(n: number): object {
    const { host, path } = this.#at(n)
    const named = `${host}.${meshDomain}`
    return {
      apiVersion: 'networking.istio.io/v1',
      kind: 'VirtualService',
      metadata: { name: `rule-${n}`, namespace: this.#world.spaceOf(this.#numberOf(n)) },
      spec: {
        hosts: [named],
        http: [
          { match: [{ uri: { exact: `${path}/version` } }], directResponse: { status: 200, body: { string: String(this.#versions[n]) } } },
          {
            match: [{ uri: { prefix: path } }],
            route: [{ destination: { host: named } }],
            timeout: '5s',
            retries: { attempts: 3, retryOn: '5xx' },
          },
        ],
      },
    }
  }
}
