import { go } from './data-plane/go.ts'
import { gorouter } from './data-plane/gorouter.ts'
import { load, requireTools, shapes, type Measured, type Shape } from './data-plane/load.ts'
import { nginx } from './data-plane/nginx.ts'
import type { Backend, Proxy } from './data-plane/proxy.ts'
import { staticEnvoy, staticEnvoyUntraced } from './data-plane/static-envoy.ts'
import { Skipped, type Bound, type Context, type Part, type Table } from './part.ts'
import { figure, quantile, ratio } from './stats.ts'
import { meshDomain, World } from './world/world.ts'

const ours = { envoy: 'Envoy, by pilot', embedded: 'embedded engine' } as const
const others = [staticEnvoy, staticEnvoyUntraced, nginx, go, gorouter]

/** What a round measured, by shape and proxy. */
type Rounds = Map<string, Map<string, Measured[]>>

/** What a request costs in our routers and in others' proxies before the same instance. */
export const dataPlane: Part = {
  name: 'data-plane',
  summary: 'what a request costs, beside a static Envoy, nginx, Go and gorouter',
  async run(context) {
    requireTools()
    const [routes = 0] = context.sizes ?? [context.short ? 1_000 : 100_000]
    context.say(`${routes} routes: platform and mesh`)
    const world = await World.start({ routes })
    const proxies: Proxy[] = world.routers.map(({ engine, http, https, program }) => ({
      name: ours[engine],
      http,
      https,
      host: `app-0.${meshDomain}`,
      pids: () => (engine === 'envoy' ? program.children.slice(0, 1) : [program.pid]),
      stop: async () => {},
    }))
    const notes: string[] = []
    try {
      const backend = await world.backend(0)
      for (const start of others) await begin(start, backend, proxies, notes)
      const rounds = await measure(proxies, context)
      return { tables: [...rounds].map(([shape, measured]) => table(shape, measured)), plots: [], bounds: bounds(rounds, routes), notes }
    } finally {
      await Promise.all(proxies.map((proxy) => proxy.stop()))
      await world.stop()
    }
  },
}

async function begin(start: (typeof others)[number], backend: Backend, proxies: Proxy[], notes: string[]): Promise<void> {
  try {
    proxies.push(await start(backend, `app-0.${meshDomain}`))
  } catch (error) {
    if (!(error instanceof Skipped)) throw error
    notes.push(`Left out: ${error.message}.`)
  }
}

const nameOf = ({ protocol, connections, body }: Shape): string =>
  `${protocol}, ${connections === 'kept' ? 'kept connections' : 'a connection a request'}, ${body}`

/** Turns of a second that a proxy has in a round with the shape that bounds are on; with others two. */
const boundTurns = 8

/** The median of each figure: a machine is not disturbed half of the time. */
function typical(turns: Measured[]): Measured {
  const median = (name: keyof Measured): number => quantile(of(turns, name), 0.5)
  return { cpu: median('cpu'), rate: median('rate'), p50: median('p50'), p99: median('p99') }
}

/** One figure of each. */
const of = (measured: Measured[], name: keyof Measured): number[] => measured.map((one) => one[name])

async function measure(proxies: Proxy[], { short, rounds, say }: Context): Promise<Rounds> {
  const measured: Rounds = new Map()
  const chosen = short
    ? shapes.filter(({ protocol, connections, body }) => protocol === 'HTTP' && connections === 'kept' && body === '1 KB')
    : shapes
  for (let round = 0; round < rounds; round++) {
    for (const shape of chosen) {
      say(`round ${round + 1}: ${nameOf(shape)}`)
      // Just-in-time compilers need a while, with the first shape above all.
      if (round === 0) for (const proxy of proxies) await load(proxy, shape, short || shape !== chosen[0] ? 1 : 3)
      const turns = new Map<string, Measured[]>()
      for (let turn = 0; turn < (shape === shapes[0] ? boundTurns : 2); turn++) {
        // In another order each time, and back again: whoever comes first finds the machine cooler.
        const order = [...proxies.slice(round), ...proxies.slice(0, round)]
        for (const proxy of turn % 2 ? order.toReversed() : order)
          turns.set(proxy.name, [...(turns.get(proxy.name) ?? []), await load(proxy, shape, 1)])
      }
      const ofShape = measured.get(nameOf(shape)) ?? new Map<string, Measured[]>()
      for (const [name, those] of turns) ofShape.set(name, [...(ofShape.get(name) ?? []), typical(those)])
      measured.set(nameOf(shape), ofShape)
    }
  }
  return measured
}

function table(shape: string, measured: Map<string, Measured[]>): Table {
  const rows = [...measured].map(([name, rounds]) => [
    name,
    figure(of(rounds, 'cpu'), 'µs'),
    figure(of(rounds, 'rate'), '/s'),
    figure(of(rounds, 'p50'), 'ms'),
    figure(of(rounds, 'p99'), 'ms'),
  ])
  return { title: shape, columns: ['proxy', 'CPU a request', 'requests', 'p50', 'p99'], rows }
}

function bounds(rounds: Rounds, routes: number): Bound[] {
  const measured = rounds.get(nameOf(shapes[0]!))!
  const cpu = (name: string): number[] | undefined => measured.get(name)?.map((one) => one.cpu)
  const over = (ours: string, other: string, limit: number): Bound[] => {
    const [mine, theirs] = [cpu(ours), cpu(other)]
    return mine && theirs
      ? [
          {
            name: `CPU a request (${nameOf(shapes[0]!)}), ${ours} at ${routes.toLocaleString('en')} routes over ${other}`,
            value: ratio(mine, theirs),
            limit,
            ratio: true,
          },
        ]
      : []
  }
  return [
    ...over(ours.envoy, 'Envoy, one static route', 1.1),
    ...over(ours.embedded, 'Go ReverseProxy', 1.2),
    ...over(ours.envoy, 'gorouter', 0.5),
    ...over(ours.embedded, 'gorouter', 0.6),
  ]
}
