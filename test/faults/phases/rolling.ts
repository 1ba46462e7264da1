import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '../../support/wait.ts'
import type { DistortedScene } from '../scene.ts'
import type { Phase } from './phase.ts'

/** What `cf restart --strategy rolling` does, to several apps at a time. */
async function rollApps({ session, cells }: DistortedScene['platform'], apps: string[]): Promise<void> {
  const deployments = await Promise.all(
    apps.map((guid) => session.post('/v3/deployments', { strategy: 'rolling', relationships: { app: { data: { guid } } } })),
  )
  for (const { guid } of deployments) {
    await eventually(async () => {
      const { status } = (await session.get(`/v3/deployments/${guid}`)) as unknown as { status: { value: string; reason: string } }
      if (status.value === 'FINALIZED' && status.reason !== 'DEPLOYED') throw new Error(status.reason)
      return status.value === 'FINALIZED'
    }, 120_000)
  }
  await cells.settled()
}

/** Restarts in order, at which nothing may fail. */
export const rollingPhases: Phase[] = [
  {
    name: 'rolling restart of apps',
    short: true,
    orderly: true,
    run: ({ platform, truth }, { apps }) =>
      rollApps(platform, [...new Set(truth.hosts.flatMap((host) => truth.owner(host) ?? []))].slice(0, apps)),
  },
  {
    name: 'rolling restart of routers',
    short: true,
    orderly: true,
    run: async ({ programs }) => {
      for (const { program, probe } of programs.routers) {
        await program.signal('SIGTERM')
        program.start()
        await program.lives()
        await eventually(async () => (await fetch(`http://127.0.0.1:${probe}/health`)).ok, 30_000)
        // The balancer has to see it before the next one goes.
        await delay(1000)
      }
    },
  },
]
