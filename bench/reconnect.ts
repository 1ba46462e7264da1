import { setTimeout as delay } from 'node:timers/promises'
import type { Program } from '../test/faults/support/programs.ts'
import { usageOf, usedSince, type Usage } from './meter.ts'
import type { Bound, Context, Part, Table } from './part.ts'
import { figure, ratio } from './stats.ts'
import { World } from './world/world.ts'

interface Return {
  /** Seconds until every neighbour is connected again and every router serves. */
  seconds: number
  /** What each process used from the kill until then, and until Envoy has all; of the one that came back since its start. */
  used: Record<string, Usage>
}

/** What comes back, by name, in each round; `first` is how each process began. */
interface Measured {
  first: Record<string, Usage>
  returns: Map<string, Return[]>
}

/** A program is killed and comes back while nothing has changed. */
export const reconnect: Part = {
  name: 'reconnect',
  summary: 'a program comes back while nothing has changed',
  async run(context) {
    const [routes = 0] = context.sizes ?? [context.short ? 1_000 : 100_000]
    context.say(`${routes} routes: platform and mesh`)
    const world = await World.start({ routes })
    try {
      const measured = await measure(world, context)
      return { tables: [table(measured, routes)], plots: [], bounds: routes >= 10_000 ? bounds(measured) : [], notes: [] }
    } finally {
      await world.stop()
    }
  },
}

async function measure(world: World, { rounds, say }: Context): Promise<Measured> {
  await settled(world)
  const measured: Measured = { first: usage(world), returns: new Map() }
  const { copilot, pilot } = world.programs
  for (let round = 0; round < rounds; round++) {
    for (const program of [...world.routers.map((router) => router.program), pilot, copilot]) {
      say(`round ${round + 1}: ${program.name}`)
      const name = world.routers.some((router) => router.program === program) ? `router, ${program.name}` : program.name
      measured.returns.set(name, [...(measured.returns.get(name) ?? []), await comeBack(world, program)])
    }
  }
  return measured
}

async function comeBack(world: World, program: Program): Promise<Return> {
  const before = usage(world)
  const pids = world.processes()
  const began = performance.now()
  await program.signal('SIGKILL')
  program.start()
  await settled(world)
  const seconds = (performance.now() - began) / 1000
  await Promise.all(world.routers.map((router) => world.loaded(router)))
  const after = usage(world)
  const zero = { cpu: 0, read: 0, written: 0 }
  const same = (name: string): boolean => pids[name]!.join() === world.processes()[name]!.join()
  return {
    seconds,
    used: Object.fromEntries(Object.keys(after).map((name) => [name, usedSince(same(name) ? before[name]! : zero, after[name]!)])),
  }
}

/** Waits until every program is connected to its neighbours and every router serves. */
async function settled(world: World): Promise<void> {
  const { syncer, copilot, pilot } = world.programs
  const connected = async (): Promise<boolean> => {
    const [sync, store, ads, ...routers] = await Promise.all(
      [syncer, copilot, pilot, ...world.routers.map(({ program }) => program)].map((program) => program.condition()),
    )
    return (
      sync!.ready &&
      ads!.conditions['copilot']!['connected'] === true &&
      ads!.conditions['copilot']!['revision'] === store!.conditions['store']!['revision'] &&
      routers.every((router) => router.ready && (router.conditions['agent']!['pilot'] as { connected: boolean }).connected)
    )
  }
  while (!(await connected().catch(() => false))) await delay(20)
  await Promise.all(world.routers.map((router) => world.whole(router)))
}

function usage(world: World): Record<string, Usage> {
  return Object.fromEntries(Object.entries(world.processes()).map(([name, pids]) => [name, usageOf(pids)]))
}

function table({ first, returns }: Measured, routes: number): Table {
  const names = Object.keys(first)
  const rows = [...returns].map(([name, rounds]) => [
    name,
    figure(
      rounds.map(({ seconds }) => seconds),
      's',
    ),
    ...names.map((process) =>
      figure(
        rounds.map(({ used }) => (used[process]!.read + used[process]!.written) / 1e6),
        'MB',
      ),
    ),
  ])
  const begin = ['(its first start)', '', ...names.map((process) => figure([(first[process]!.read + first[process]!.written) / 1e6], 'MB'))]
  return {
    title: `What comes back, and the bytes that each process read and wrote meanwhile, ${routes.toLocaleString('en')} routes`,
    columns: ['comes back', 'until all is as before', ...names],
    rows: [begin, ...rows],
  }
}

/** What is sent again over what was sent at first. */
function bounds({ first, returns }: Measured): Bound[] {
  const over = (name: string, process: string, direction: 'read' | 'written'): Bound[] => {
    const rounds = returns.get(name)
    if (!rounds || !first[process]) return []
    const value = ratio(
      rounds.map(({ used }) => used[process]![direction]),
      rounds.map(() => first[process]![direction]),
    )
    return [
      {
        name: `${name} comes back: bytes that ${process} ${direction === 'read' ? 'reads' : 'writes'}, over its first start`,
        value,
        limit: 0.1,
        ratio: true,
      },
    ]
  }
  return [
    ...over('router, envoy', 'pilot', 'written'),
    ...over('router, embedded', 'pilot', 'written'),
    ...over('pilot', 'router (agent)', 'read'),
    ...over('pilot', 'router (Envoy)', 'read'),
    ...over('copilot', 'pilot', 'read'),
    ...over('copilot', 'route-syncer', 'written'),
  ]
}
