import { behaviour } from '../support/conformance.ts'
import { ask } from '../support/client.ts'
import { within } from '../support/statistics.ts'

/** Counts by answer body over `n` requests, in lanes so that no two engines' connections run in lockstep. */
async function tally(n: number, port: number, host: string): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  const lane = async (): Promise<void> => {
    for (let i = 0; i < n / 4; i++) {
      const { body } = await ask(port, host)
      counts.set(body, (counts.get(body) ?? 0) + 1)
    }
  }
  await Promise.all([lane(), lane(), lane(), lane()])
  return counts
}

behaviour('requests are spread evenly over the instances', async ({ t, router, mesh }) => {
  const { host } = await mesh.serve({ instances: 4 })
  const counts = await tally(800, router.http, host)
  t.equal(counts.size, 4)
  for (const count of counts.values()) t.ok(within(count, 800, 1 / 4), `${count} of 800`)
})

behaviour('destination weights hold whatever the number of instances', async ({ t, router, mesh }) => {
  const { host, apps } = await mesh.serveWeighted([
    { weight: 90, instances: 1 },
    { weight: 10, instances: 3 },
  ])
  const counts = await tally(1000, router.http, host)
  const ofFirst = [...counts].filter(([body]) => apps[0]?.some(({ guid }) => body.endsWith(guid))).reduce((sum, [, count]) => sum + count, 0)
  t.ok(within(ofFirst, 1000, 0.9), `${ofFirst} of 1000`)
})

behaviour('an app without instances leaves its share to the others', async ({ t, router, mesh }) => {
  const { host } = await mesh.serveWeighted([
    { weight: 90, instances: 0 },
    { weight: 10, instances: 1 },
  ])
  const counts = await tally(100, router.http, host)
  t.equal(counts.size, 1)
})

behaviour('least-connection sends away from a busy instance', async ({ t, router, mesh }) => {
  const held: (() => void)[] = []
  let holding: () => void = () => {}
  const { host, instances } = await mesh.serve({
    instances: 2,
    options: { loadbalancing: 'least-connection' },
    handler: (request, response) => {
      if (request.socket.localPort !== instances[0]?.port) return response.end()
      held.push(() => response.end())
      holding()
    },
  })
  const answers: Promise<unknown>[] = []
  for (let i = 0; i < 200; i++) {
    const answer = ask(router.http, host)
    answers.push(answer)
    await Promise.race([answer, new Promise<void>((resolve) => (holding = resolve))])
  }
  // Round robin would hold 100. The choice of two random instances holds at most a quarter: 50, with 4.9 standard deviations 80.
  t.ok(held.length <= 80, `${held.length} of 200`)
  held.forEach((release) => release())
  await Promise.all(answers)
})
