import { burst, steady, type SteadyLag } from './propagation/bursts.ts'
import { kinds } from './propagation/changes.ts'
import { costOfAChange, type Cost } from './propagation/cost.ts'
import type { Lags } from './propagation/watch.ts'
import { residentMemory } from './meter.ts'
import type { Bound, Context, Part, Plot, Result, Table } from './part.ts'
import { figure, quantile, ratio } from './stats.ts'
import { engines, World } from './world/world.ts'

interface Plan {
  sizes: number[]
  /** Changes of a kind in a round; of those that are read by polling. */
  samples: number
  polled: number
  /** Routes mapped and unmapped to weigh a change. */
  weighed: number
  burst: number
  steady: { rate: number; seconds: number } | undefined
}

const plans = {
  full: { sizes: [1_000, 10_000, 100_000], samples: 50, polled: 10, weighed: 150, burst: 1_000, steady: { rate: 50, seconds: 120 } },
  short: { sizes: [1_000, 10_000], samples: 5, polled: 3, weighed: 60, burst: 200, steady: undefined },
} satisfies Record<string, Plan>

/** What was measured at one size; each list has an entry a round. */
interface Measured {
  world: World
  lags: Map<string, Lags[][]>
  bursts: { map: Lags; unmap: Lags }[]
  costs: Cost[]
  memory: Record<string, number>
  steady: SteadyLag[]
}

/** From the platform's change to the first answer that shows it, and what a change costs, at growing numbers of routes. */
export const propagation: Part = {
  name: 'propagation',
  summary: 'from a change of the platform to the first answer that shows it',
  async run(context) {
    const plan: Plan = { ...(context.short ? plans.short : plans.full), ...(context.sizes && { sizes: context.sizes }) }
    const measured: Measured[] = []
    try {
      for (const routes of plan.sizes) {
        context.say(`${routes} routes: platform and mesh`)
        const world = await World.start({ routes })
        measured.push({ world, lags: new Map(), bursts: [], costs: [], memory: {}, steady: [] })
      }
      for (let round = 0; round < context.rounds; round++) for (const at of measured) await measureRound(at, plan, round, context)
      for (const at of measured) {
        if (plan.steady) {
          context.say(`${at.world.routes} routes: ${plan.steady.rate} changes a second for ${plan.steady.seconds} s`)
          at.steady = await steady(at.world, plan.steady)
        }
        for (const [name, pids] of Object.entries(at.world.processes())) at.memory[name] = residentMemory(pids)
      }
    } finally {
      for (const { world } of measured) await world.stop()
    }
    return report(measured, plan)
  },
}

async function measureRound(at: Measured, plan: Plan, round: number, { say }: Context): Promise<void> {
  const { world } = at
  const about = `round ${round + 1}, ${world.routes} routes`
  for (const kind of kinds) {
    say(`${about}: ${kind.name}`)
    const count = kind.polled ? plan.polled : plan.samples
    const numbers = Array.from({ length: count }, (_, n) => n)
    const lags: Lags[] = []
    if (kind.polled) lags.push(...(await Promise.all(numbers.map((n) => kind.measure(world, n)))))
    else for (const n of numbers) lags.push(await kind.measure(world, n))
    at.lags.set(kind.name, [...(at.lags.get(kind.name) ?? []), lags])
  }
  say(`${about}: a burst of ${plan.burst}`)
  at.bursts.push(await burst(world, plan.burst))
  say(`${about}: cost of a change`)
  at.costs.push(await costOfAChange(world, plan.weighed))
}

const count = (routes: number): string => `${routes.toLocaleString('en')} routes`

function report(measured: Measured[], plan: Plan): Result {
  const [least, most] = [measured[0]!, measured.at(-1)!]
  return {
    tables: [
      ...measured.map(lagTable),
      burstTable(measured, plan),
      ...(plan.steady ? [steadyTable(measured, plan.steady)] : []),
      costTable(measured, 'CPU'),
      costTable(measured, 'bytes'),
      memoryTable(measured),
    ],
    plots: [lagPlot(measured), ...(plan.steady ? [steadyPlot(most)] : [])],
    bounds: [...costBounds(least, most), ...lagBounds(measured)],
    notes: [],
  }
}

/** A quantile of each round. */
function rounds(at: Measured, kind: string, engine: (typeof engines)[number], q: number): number[] {
  return at.lags.get(kind)!.map((lags) =>
    quantile(
      lags.map((lag) => lag[engine]!),
      q,
    ),
  )
}

function lagTable(at: Measured): Table {
  const rows = kinds.flatMap(({ name }) =>
    engines.map((engine) => {
      const all = at.lags
        .get(name)!
        .flat()
        .map((lag) => lag[engine]!)
      return [
        name,
        engine,
        ...[0.5, 0.95].map((q) => figure(rounds(at, name, engine, q), 'ms')),
        figure([quantile(all, 0.99)], 'ms'),
        figure([Math.max(...all)], 'ms'),
        String(all.length),
      ]
    }),
  )
  return {
    title: `From the change to the first answer that shows it, ${count(at.world.routes)}`,
    columns: ['change', 'engine', 'p50', 'p95', 'p99', 'max', 'samples'],
    rows,
  }
}

function burstTable(measured: Measured[], { burst }: Plan): Table {
  const rows = (['map', 'unmap'] as const).flatMap((change) =>
    engines.map((engine) => [
      change,
      engine,
      ...measured.map(({ bursts }) =>
        figure(
          bursts.map((lags) => lags[change][engine]!),
          'ms',
        ),
      ),
    ]),
  )
  return {
    title: `${burst.toLocaleString('en')} changes at once, until the last shows`,
    columns: ['change', 'engine', ...measured.map(({ world }) => count(world.routes))],
    rows,
  }
}

function steadyTable(measured: Measured[], { rate, seconds }: { rate: number; seconds: number }): Table {
  const rows = measured.flatMap(({ world, steady }) =>
    engines.map((engine) => {
      const lags = steady.filter((one) => one.engine === engine).map(({ lag }) => lag)
      return [count(world.routes), engine, ...[0.5, 0.95, 0.99, 1].map((q) => figure([quantile(lags, q)], 'ms'))]
    }),
  )
  return { title: `${rate} changes a second for ${seconds} s`, columns: ['size', 'engine', 'p50', 'p95', 'p99', 'max'], rows }
}

const units = { CPU: 'ms', bytes: 'KB' } as const

/** What a change costs a process in each round. */
function costs({ costs }: Measured, process: string | undefined, of: 'CPU' | 'bytes'): number[] {
  return costs.map((cost) => {
    const used = process === undefined ? Object.values(cost) : [cost[process]!]
    return used.reduce((sum, { cpu, read, written }) => sum + (of === 'CPU' ? cpu : (read + written) / 1000), 0)
  })
}

function costTable(measured: Measured[], of: 'CPU' | 'bytes'): Table {
  const [least, most] = [measured[0]!, measured.at(-1)!]
  const rows = [...Object.keys(least.memory), undefined].map((process) => [
    process ?? 'all',
    ...measured.map((at) => figure(costs(at, process, of), units[of])),
    ...(least === most ? [] : [ratio(costs(most, process, of), costs(least, process, of))]),
  ])
  const title = of === 'CPU' ? 'CPU time of one change' : 'Bytes read and written for one change (sockets and files)'
  return {
    title,
    columns: ['process', ...measured.map(({ world }) => count(world.routes)), ...(least === most ? [] : ['last over first'])],
    rows,
  }
}

function memoryTable(measured: Measured[]): Table {
  const rows = Object.keys(measured[0]!.memory).map((process) => [
    process,
    ...measured.map(({ memory }) => figure([memory[process]! / 1e6], 'MB')),
  ])
  return { title: 'Resident memory at the end', columns: ['process', ...measured.map(({ world }) => count(world.routes))], rows }
}

function costBounds(least: Measured, most: Measured): Bound[] {
  if (least === most) return []
  return (['CPU', 'bytes'] as const).flatMap((of) =>
    ['pilot', undefined].map((process) => ({
      name: `${of} of a change, ${process ?? 'all processes'}: ${count(most.world.routes)} over ${count(least.world.routes)}`,
      value: ratio(costs(most, process, of), costs(least, process, of)),
      limit: 1.5,
      ratio: true,
    })),
  )
}

/** Targets of the design for `cf map-route` to the first 200. */
const targets: Record<number, number> = { 1_000: 250, 100_000: 500 }

function lagBounds(measured: Measured[]): Bound[] {
  return measured.flatMap((at) => {
    const limit = targets[at.world.routes]
    if (limit === undefined) return []
    return engines.map((engine) => ({
      name: `map to the first 200 at ${engine}, p95, ${count(at.world.routes)}`,
      value: figure(rounds(at, 'map', engine, 0.95), 'ms'),
      limit,
      ratio: false,
    }))
  })
}

function lagPlot(measured: Measured[]): Plot {
  const series = ['map', 'scale up', 'crash'].flatMap((kind) =>
    engines.map((engine) => ({
      name: `${kind}, ${engine}`,
      points: measured.map((at): [number, number] => [at.world.routes, quantile(rounds(at, kind, engine, 0.95), 0.5)]),
    })),
  )
  return {
    name: 'propagation',
    title: 'p95 from the change to the first answer that shows it',
    x: 'routes',
    y: 'ms',
    logarithmic: { x: true },
    series,
  }
}

function steadyPlot({ world, steady }: Measured): Plot {
  const window = 5
  const series = engines.flatMap((engine) =>
    ([0.5, 0.95] as const).map((q) => {
      const windows = Map.groupBy(
        steady.filter((one) => one.engine === engine),
        ({ at }) => Math.floor(at / window),
      )
      const points = [...windows]
        .sort(([a], [b]) => a - b)
        .map(([at, lags]): [number, number] => [
          at * window,
          quantile(
            lags.map(({ lag }) => lag),
            q,
          ),
        ])
      return { name: `p${q * 100}, ${engine}`, points }
    }),
  )
  return { name: 'propagation-steady', title: `Lag under 50 changes a second, ${count(world.routes)}`, x: 'seconds', y: 'ms', series }
}
