import { setTimeout as delay } from 'node:timers/promises'
import type { EngineName } from '../test/support/mesh.ts'
import { residentMemory, usageOf } from './meter.ts'
import type { Bound, Context, Part, Table } from './part.ts'
import { figure } from './stats.ts'
import { engines, World, type Router } from './world/world.ts'

/** Seconds from the start until each stage was done. */
type Stages = Record<(typeof stageNames)[number], number>

const stageNames = ['platform read', 'in copilot', 'in pilot', 'router serves'] as const

/** From nothing: pilot and a router alone, copilot having everything; and every program at once. */
interface Measured {
  all: Stages[]
  pilot: { serves: number; loaded: number; memory: number; cpu: Record<string, number> }[]
}

/** From empty programs to a router that serves every route. */
export const coldStart: Part = {
  name: 'cold-start',
  summary: 'from empty programs to a router that serves every route',
  async run(context) {
    const [routes = 0] = context.sizes ?? [context.short ? 1_000 : 100_000]
    const measured = new Map<EngineName, Measured>(engines.map((engine) => [engine, { all: [], pilot: [] }]))
    context.say(`${routes} routes: the platform`)
    const world = await World.create({ routes })
    try {
      for (let round = 0; round < context.rounds; round++)
        for (const router of world.routers) await measure(world, router, measured.get(router.engine)!, context, round)
    } finally {
      await world.stop()
    }
    return {
      tables: [allTable(measured, routes), pilotTable(measured, routes)],
      plots: [],
      bounds: routes === 100_000 ? bounds(measured) : [],
      notes: [],
    }
  },
}

async function measure(world: World, router: Router, { all, pilot }: Measured, { say }: Context, round: number): Promise<void> {
  say(`round ${round + 1}: everything, with ${router.engine}`)
  await world.wipe(world.all)
  all.push(await stagesOf(world, router))
  say(`round ${round + 1}: pilot and ${router.engine}`)
  // It would read again all that was made in the last seconds, which here is everything.
  await world.programs.syncer.stop()
  await world.wipe([world.programs.pilot, router.program])
  const began = performance.now()
  for (const program of [world.programs.pilot, router.program]) program.start()
  const since = (): number => (performance.now() - began) / 1000
  await world.whole(router)
  const serves = since()
  const processes = world.processes([router])
  const cpu = Object.fromEntries(Object.entries(processes).map(([name, pids]) => [name, usageOf(pids).cpu / 1000]))
  const memory = residentMemory(processes['pilot']!, 'VmHWM')
  await world.loaded(router)
  pilot.push({ serves, loaded: since(), memory, cpu })
}

async function stagesOf(world: World, router: Router): Promise<Stages> {
  const { syncer, copilot, pilot } = world.programs
  const began = performance.now()
  for (const program of [syncer, copilot, pilot, router.program]) program.start()
  const when = async (done: () => Promise<boolean>): Promise<number> => {
    while (!(await done().catch(() => false))) await delay(50)
    return (performance.now() - began) / 1000
  }
  const read = async (): Promise<boolean> => {
    const { conditions } = await syncer.condition()
    return conditions['bbs']?.['readAgeMs'] !== undefined && conditions['cloud-controller']?.['fullReadAgeMs'] !== undefined
  }
  const stored = async (): Promise<boolean> => (await syncer.condition()).conditions['copilot']!.ready
  const revision = async (): Promise<unknown> => (await copilot.condition()).conditions['store']!['revision']
  const translated = async (): Promise<boolean> =>
    (await stored()) && (await pilot.condition()).conditions['copilot']!['revision'] === (await revision())
  const serves = async (): Promise<boolean> => {
    await world.whole(router)
    return true
  }
  const [platform, inCopilot, inPilot, served] = await Promise.all([read, stored, translated, serves].map(when))
  return { 'platform read': platform!, 'in copilot': inCopilot!, 'in pilot': inPilot!, 'router serves': served! }
}

function allTable(measured: Map<EngineName, Measured>, routes: number): Table {
  const rows = [...measured].flatMap(([engine, { all }]) =>
    stageNames.map((stage, at) => {
      const before = stageNames[at - 1]
      const share = (stages: Stages): number => stages[stage] - (before ? stages[before] : 0)
      return [
        engine,
        stage,
        figure(
          all.map((stages) => stages[stage]),
          's',
        ),
        figure(all.map(share), 's'),
        figure(
          all.map((stages) => (100 * share(stages)) / stages['router serves']),
          '%',
        ),
      ]
    }),
  )
  return {
    title: `Every program from nothing, ${routes.toLocaleString('en')} routes`,
    columns: ['engine', 'until', 'since the start', 'since the stage before', 'share'],
    rows,
  }
}

function pilotTable(measured: Map<EngineName, Measured>, routes: number): Table {
  const columns = [
    'pilot, its peak memory',
    'router serves',
    'has all',
    'CPU of pilot',
    'of the agent',
    'of Envoy',
    'of the embedded router',
  ]
  const names = ['pilot', 'router (agent)', 'router (Envoy)', 'router (embedded)']
  const rows = [...measured].map(([engine, { pilot }]) => [
    engine,
    figure(
      pilot.map(({ memory }) => memory / 1e6),
      'MB',
    ),
    figure(
      pilot.map(({ serves }) => serves),
      's',
    ),
    figure(
      pilot.map(({ loaded }) => loaded),
      's',
    ),
    ...names.map((name) =>
      pilot[0]?.cpu[name] === undefined
        ? ''
        : figure(
            pilot.map(({ cpu }) => cpu[name]!),
            's',
          ),
    ),
  ])
  return {
    title: `Pilot and a router from nothing, ${routes.toLocaleString('en')} routes in copilot`,
    columns: ['engine', ...columns],
    rows,
  }
}

function bounds(measured: Map<EngineName, Measured>): Bound[] {
  return [...measured].flatMap(([engine, { pilot }]) => [
    {
      name: `pilot from nothing until ${engine} serves`,
      value: figure(
        pilot.map(({ serves }) => serves),
        's',
      ),
      limit: 12,
      ratio: false,
    },
    {
      name: `pilot's memory, ${engine}`,
      value: figure(
        pilot.map(({ memory }) => memory / 1e6),
        'MB',
      ),
      limit: 700,
      ratio: false,
    },
  ])
}
