import { costOfEach, type Usage } from './meter.ts'
import type { Bound, Context, Part, Plot, Result, Table } from './part.ts'
import type { Lags } from './propagation/watch.ts'
import { Services } from './rules/services.ts'
import { figure, quantile, ratio } from './stats.ts'
import { engines, World } from './world/world.ts'

const shapes = ['rds', 'buckets'] as const
type Shape = (typeof shapes)[number]

interface Plan {
  routes: number[]
  services: number[]
  /** Changes in a round of which the time is taken; changes that are weighed. */
  samples: number
  weighed: number
}

const plans = {
  full: { routes: [1_000, 100_000], services: [100, 1_000, 10_000], samples: 30, weighed: 60 },
  short: { routes: [1_000], services: [100, 1_000], samples: 10, weighed: 40 },
} satisfies Record<string, Plan>

/** What was measured of one shape with so many routes and VirtualServices; each list has an entry a round. */
interface Measured {
  shape: Shape
  routes: number
  services: number
  lags: Lags[][]
  /** What one change costs each process. */
  costs: Record<string, Usage>[]
}

/** Routes of one space: what copilot checks a resource against grows with its space alone. */
const routesPerSpace = 100

/** istiod 1.26 with one gateway, fed by its xDS config source, on the same kind of machine: a change at 10,000 hosts. */
const istiod = { services: 10_000, cpu: 340, bytes: 4_700_000 }

/** From a change of a VirtualService to the first answer by it, and what it costs. */
export const rules: Part = {
  name: 'rules',
  summary: 'from a change of a rule to the first answer that shows it, in both shapes',
  async run(context) {
    const plan: Plan = { ...(context.short ? plans.short : plans.full), ...(context.sizes && { routes: context.sizes }) }
    const measured: Measured[] = []
    for (const routes of plan.routes) {
      for (const shape of shapes) {
        context.say(`${routes} routes, ${shape}: platform and mesh`)
        const world = await World.start({ routes, translation: { routingShape: shape }, spaces: routes / routesPerSpace })
        try {
          const services = new Services(world)
          for (const count of plan.services)
            measured.push(await measure(world, services, { shape, routes, services: count, lags: [], costs: [] }, plan, context))
        } finally {
          await world.stop()
        }
      }
    }
    return report(measured)
  },
}

async function measure(world: World, services: Services, at: Measured, plan: Plan, { rounds, say }: Context): Promise<Measured> {
  say(`${at.services} VirtualServices`)
  await services.grow(at.services)
  for (let round = 0; round < rounds; round++) {
    const lags: Lags[] = []
    for (let n = 0; n < plan.samples; n++) lags.push(await services.change(2))
    at.lags.push(lags)
    at.costs.push(await costOfAChange(world, services, plan.weighed))
  }
  say(
    `${at.shape}, ${at.routes} routes, ${at.services} VirtualServices: p50 ${Math.round(lagOf(at, 'envoy', 0.5)[0]!)} ms, pilot ${costs(at, 'pilot', 'CPU')[0]!.toFixed(2)} ms and ${costs(at, 'pilot', 'bytes')[0]!.toFixed(1)} KB a change`,
  )
  return at
}

/** Changes rules one after the other, each when the one before is in force. */
function costOfAChange(world: World, services: Services, count: number): Promise<Record<string, Usage>> {
  const run = async (): Promise<void> => {
    for (let n = 0; n < count; n++) await services.change(20)
  }
  return costOfEach(world.processes(), { run, count, settle: 1000, idleFor: (busy) => Math.min(Math.max(busy, 10_000), 20_000) })
}

const count = (n: number): string => n.toLocaleString('en')
const title = ({ shape, routes, services }: Measured): string => `${shape}, ${count(routes)} routes, ${count(services)} VirtualServices`

function lagOf({ lags }: Measured, engine: (typeof engines)[number], q: number): number[] {
  return lags.map((round) =>
    quantile(
      round.map((lag) => lag[engine]!),
      q,
    ),
  )
}

/** What a change costs a process, or all, in each round: milliseconds, or KB. */
function costs({ costs }: Measured, process: string | undefined, of: 'CPU' | 'bytes'): number[] {
  return costs.map((cost) => {
    const used = process === undefined ? Object.values(cost) : [cost[process]!]
    return used.reduce((sum, { cpu, read, written }) => sum + (of === 'CPU' ? cpu : (read + written) / 1000), 0)
  })
}

function report(measured: Measured[]): Result {
  return {
    tables: [lagTable(measured), costTable(measured, 'CPU'), costTable(measured, 'bytes')],
    plots: [plot(measured, 'CPU'), plot(measured, 'bytes')],
    bounds: [...flat(measured), ...besideIstiod(measured)],
    notes: [],
  }
}

function lagTable(measured: Measured[]): Table {
  const rows = measured.map((at) => [title(at), ...engines.flatMap((engine) => [0.5, 0.95].map((q) => figure(lagOf(at, engine, q), 'ms')))])
  return {
    title: 'From the change of a VirtualService to the first answer that shows it',
    columns: ['', ...engines.flatMap((engine) => [`${engine}, p50`, `${engine}, p95`])],
    rows,
  }
}

function costTable(measured: Measured[], of: 'CPU' | 'bytes'): Table {
  const processes = Object.keys(measured[0]!.costs[0]!).filter((name) => name !== 'route-syncer')
  const rows = measured.map((at) => [
    title(at),
    ...[...processes, undefined].map((process) => figure(costs(at, process, of), of === 'CPU' ? 'ms' : 'KB')),
  ])
  return {
    title: of === 'CPU' ? 'CPU time of one change' : 'Bytes read and written for one change (sockets and files)',
    columns: ['', ...processes, 'all'],
    rows,
  }
}

/** Buckets: whatever the number of rules and of routes. */
function flat(measured: Measured[]): Bound[] {
  const buckets = measured.filter(({ shape }) => shape === 'buckets')
  const [least, most] = [buckets[0]!, buckets.at(-1)!]
  const name = (what: string): string =>
    `buckets, ${what}: ${title(most).replace('buckets, ', '')} over ${title(least).replace('buckets, ', '')}`
  const over = (what: string, value: (at: Measured) => number[]): Bound => ({
    name: name(what),
    value: ratio(value(most), value(least)),
    limit: 1.5,
    ratio: true,
  })
  return [
    ...engines.map((engine) => over(`p50 at ${engine}`, (at) => lagOf(at, engine, 0.5))),
    ...(['CPU', 'bytes'] as const).flatMap((of) =>
      ['pilot', undefined].map((process) => over(`${of} of a change, ${process ?? 'all processes'}`, (at) => costs(at, process, of))),
    ),
  ]
}

/** A hundred times cheaper in CPU and a thousand times in bytes: pilot, and what it writes for each router. */
function besideIstiod(measured: Measured[]): Bound[] {
  return measured
    .filter(({ shape, services }) => shape === 'buckets' && services === istiod.services)
    .flatMap((at) => [
      {
        name: `${title(at)}: pilot's CPU of a change, a hundredth of istiod's`,
        value: figure(costs(at, 'pilot', 'CPU'), 'ms'),
        limit: istiod.cpu / 100,
        ratio: false,
      },
      {
        name: `${title(at)}: what pilot writes for a router, a thousandth of istiod's`,
        value: figure(
          at.costs.map((cost) => cost['pilot']!.written / engines.length / 1000),
          'KB',
        ),
        limit: istiod.bytes / 1_000_000,
        ratio: false,
      },
    ])
}

function plot(measured: Measured[], of: 'CPU' | 'bytes'): Plot {
  const series = [...Map.groupBy(measured, ({ shape, routes }) => `${shape}, ${count(routes)} routes`)].map(([name, points]) => ({
    name,
    points: points.map((at): [number, number] => [at.services, quantile(costs(at, 'pilot', of), 0.5)]),
  }))
  return {
    name: `rules-${of.toLowerCase()}`,
    title: `What a change of a rule costs pilot, ${of}`,
    x: 'VirtualServices',
    y: of === 'CPU' ? 'ms' : 'KB',
    logarithmic: { x: true, y: true },
    series,
  }
}
