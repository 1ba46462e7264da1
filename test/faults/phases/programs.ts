import { execFileSync } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { isAlive } from '../../support/processes.ts'
import { eventually } from '../../support/wait.ts'
import type { DistortedScene } from '../scene.ts'
import type { Program } from '../support/programs.ts'
import { paused, restarted, routersOf, type Phase } from './phase.ts'

const component = (name: string, pick: (scene: DistortedScene) => Program): Phase[] => [
  { name: `${name} killed and restarted`, short: true, run: (scene, { away }) => restarted(pick(scene), away) },
  { name: `${name} paused`, short: name === 'copilot', run: (scene, { paused: time }) => paused(pick(scene), time) },
]

const router = (engine: 'embedded' | 'envoy'): Phase[] => [
  {
    name: `${engine} router killed and restarted`,
    short: true,
    run: async (scene, { away }) => {
      for (const one of routersOf(scene, engine).slice(0, 1)) {
        await scene.excuse(one, () => restarted(one.program, away))
      }
    },
  },
  {
    name: `${engine} router paused`,
    run: async (scene, { paused: time }) => {
      for (const { program } of routersOf(scene, engine).slice(0, 1)) await paused(program, time)
    },
  },
]

/** Our own programs, each killed and paused. */
export const programPhases: Phase[] = [
  { name: 'nothing', short: true, run: (_scene, { away }) => delay(away) },
  ...component('route-syncer', ({ programs }) => programs.syncer),
  ...component('copilot', ({ programs }) => programs.copilot),
  ...component('pilot', ({ programs }) => programs.pilot),
  ...router('embedded'),
  ...router('envoy'),
  {
    name: 'Envoy itself killed',
    short: true,
    run: async (scene, { away }) => {
      const [one] = routersOf(scene, 'envoy')
      const [envoy] = one?.program.children ?? []
      if (!one || !envoy) return
      await scene.excuse(one, async () => {
        process.kill(envoy, 'SIGKILL')
        await eventually(() => !isAlive(envoy))
      })
      await delay(away)
    },
  },
  {
    name: 'Envoy itself paused',
    run: async (scene, { paused: time }) => {
      const [envoy] = routersOf(scene, 'envoy')[0]?.program.children ?? []
      if (!envoy) return
      process.kill(envoy, 'SIGSTOP')
      await delay(time)
      process.kill(envoy, 'SIGCONT')
    },
  },
  {
    name: 'all programs killed but the routers',
    run: async ({ programs: { syncer, copilot, pilot } }, { away }) => {
      await Promise.all([syncer, copilot, pilot].map((program) => restarted(program, away)))
    },
  },
  {
    name: 'routers start while pilot is away',
    short: true,
    run: async (scene, { away }) => {
      const { pilot, routers } = scene.programs
      await pilot.signal('SIGKILL')
      for (const engine of ['embedded', 'envoy']) {
        const [one] = routersOf(scene, engine)
        if (!one) continue
        await scene.excuse(one, () => restarted(one.program, 0))
        await eventually(async () => (await fetch(`http://127.0.0.1:${one.probe}/health`)).ok)
        const agent = (await one.program.condition()).conditions['agent']
        if (!agent || !(Number(agent['age']) > 0) || !agent.reason?.includes('no pilot answers'))
          throw new Error(`${one.program.name} does not tell the age of its configuration: ${JSON.stringify(agent)}`)
      }
      await delay(away)
      pilot.start()
      await pilot.lives()
      await eventually(async () =>
        (await Promise.all(routers.map(({ program }) => program.condition()))).every(
          ({ conditions }) => conditions['agent']?.['age'] === 0,
        ),
      )
    },
  },
  {
    name: "copilot's disk full",
    short: true,
    run: async ({ programs: { copilot } }, { lying }) => {
      // No file of the process may grow: every write to the store fails as on a full disk.
      const limit = (bytes: string) => execFileSync('prlimit', ['--pid', String(copilot.pid), `--fsize=${bytes}:`])
      limit('4096')
      await delay(lying)
      limit('unlimited')
    },
  },
]
