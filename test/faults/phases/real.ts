import { setTimeout as delay } from 'node:timers/promises'
import type { RealScene } from '../scene.ts'
import { paused, restarted, type Phase } from './phase.ts'

/** One instance of each app loses a process. */
const killed = (name: string, which: 'app' | 'container'): Phase<RealScene> => ({
  name,
  short: true,
  run: async ({ platform: { cells }, truth }, { away }) => {
    await Promise.all(truth.hosts.map((host) => cells.kill(cells.of(truth.owner(host)!)[0]!, which)))
    await delay(away)
  },
})

/** The platform's own processes: the foundation, which is Cloud Controller, UAA, BBS and the cells' head, and those of apps. */
export const realPhases: Phase<RealScene>[] = [
  { name: 'foundation killed and restarted', short: true, run: ({ platform }, { away }) => restarted(platform.foundation, away) },
  { name: 'foundation paused', short: true, run: ({ platform }, { paused: time }) => paused(platform.foundation, time) },
  killed("apps' processes killed", 'app'),
  killed("apps' containers killed", 'container'),
]
