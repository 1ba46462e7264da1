import { setTimeout as delay } from 'node:timers/promises'
import { Cluster_LbPolicy } from '../../../src/common/proto/gen/envoy/config/cluster/v3/cluster_pb.js'
import { typeUrls, type Resource } from '../../../src/common/xds/resources.ts'
import { refusedCluster, undecodable } from '../../istio-router/resources.ts'
import { eventually } from '../../support/wait.ts'
import type { DistortedScene } from '../scene.ts'
import type { Phase } from './phase.ts'

/** One resource among pilot's own: every router refuses that one and takes the rest of the message. */
const poisoned = (name: string, resource: Resource): Phase => ({
  name,
  short: true,
  run: async ({ programs: { ads, routers } }, { lying }) => {
    const refused = ads.poison(resource)
    await eventually(() => refused.size === routers.length, 15_000)
    await delay(lying)
    ads.cease()
    const others = [...refused].flatMap(([router, refusals]) =>
      refusals.filter((refusal) => refusal.name !== resource.name).map(({ name, reason }) => `${router} refused ${name}: ${reason}`),
    )
    if (others.length) throw new Error(others.slice(0, 3).join('; '))
  },
})

/** Instances and routes that no engine can take: told by BBS, beside good ones of the same apps. */
async function poison({ platform, programs, churn, truth }: DistortedScene, lying: number): Promise<void> {
  const { bbs } = platform.cells
  churn.spared = truth.owner('app-0')!
  await platform.cells.settled()
  const processGuid = platform.cells.of(churn.spared)[0]!.process
  const good = bbs.desired.find(processGuid)!.routes!
  const [victim] = bbs.actual.list({ processGuid })
  const { actualLrpKey, actualLrpInstanceKey, actualLrpNetInfo } = victim!.message
  const tell = (address: string): void => {
    bbs.actual.start(actualLrpKey!, actualLrpInstanceKey!, {
      ...victim!.message,
      actualLrpNetInfo: { ...actualLrpNetInfo!, address, instanceAddress: address },
    })
  }
  const routes = (extra: object[]) => ({
    ...good,
    routes: {
      ...good.routes,
      'cf-router': Buffer.from(JSON.stringify([...(JSON.parse(Buffer.from(good.routes['cf-router']!).toString()) as object[]), ...extra])),
    },
  })
  const hosts = [
    'bad host\u0000.mesh.test',
    `${'x'.repeat(300)}.mesh.test`,
    'a..b.mesh.test',
    `deep.mesh.test/${'a/'.repeat(40)}`,
    'reg[ex.mesh.test/(((',
    '\ud800.mesh.test',
  ]
  const options = [
    { loadbalancing: 'hash', hash_header: 'bad header\r\n' },
    { loadbalancing: 'hash', hash_header: 'x', hash_balance: '-1' },
    { loadbalancing: 'nonsense' },
  ]
  const extra = [
    ...hosts.map((hostname) => ({ hostnames: [hostname], port: 8080 })),
    ...options.map((options, n) => ({ hostnames: [`poison-${n}.mesh.test`], port: 8080, options })),
  ]

  tell('not an address\u0000')
  bbs.desired.update(processGuid, { routes: routes(extra), metricTags: {} } as never)
  await delay(lying)
  await Promise.all(programs.all.map((program) => program.lives()))
  bbs.desired.update(processGuid, { routes: good, metricTags: {} } as never)
  tell('127.0.0.1')
  churn.spared = undefined
}

/** What no engine can take. */
export const poisonPhases: Phase[] = [
  {
    name: 'poison: what BBS must not have said',
    short: true,
    run: (scene, { lying }) => poison(scene, lying),
  },
  poisoned('poison: bytes that no engine can read', undecodable(typeUrls.cluster, 'pub/poison.mesh.test')),
  poisoned(
    'poison: a cluster that is refused once it is read',
    refusedCluster('pub/poison.mesh.test', { lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED }),
  ),
]
