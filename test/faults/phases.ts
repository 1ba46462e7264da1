import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { connect } from 'node:tls'
import { create, toBinary } from '@bufbuild/protobuf'
import { DomainsResponseSchema } from '../../src/common/proto/gen/bbs_pb.js'
import { Cluster_LbPolicy } from '../../src/common/proto/gen/envoy/config/cluster/v3/cluster_pb.js'
import { typeUrls, type Resource } from '../../src/common/xds/resources.ts'
import { refusedCluster, undecodable } from '../istio-router/resources.ts'
import { eventually } from '../support/wait.ts'
import type { Scene } from './scene.ts'
import type { CcAnswer } from './support/cc-proxy.ts'
import type { Program, Router } from './support/programs.ts'

/** One fault: what is done, for how long, and how it ends. Requests and changes of the platform go on meanwhile. */
export interface Phase {
  name: string
  /** Part of the short form. */
  short?: boolean
  /** Nothing at all may fail: all that goes away says so before. */
  orderly?: boolean
  run: (scene: Scene, time: Times) => Promise<void>
}

/** How long faults last, milliseconds, and how much they touch. */
export interface Times {
  /** A program that is away. */
  away: number
  /** A program that is paused. */
  paused: number
  /** A neighbour that lies, or fails. */
  lying: number
  /** A Cloud Controller that lies, which may do so for long. */
  minutes: number
  /** How many apps are restarted. */
  apps: number
}

const restarted = async (program: Program, away: number): Promise<void> => {
  await program.signal('SIGKILL')
  await delay(away)
  program.start()
  await program.lives()
}

const paused = async (program: Program, time: number): Promise<void> => {
  await program.signal('SIGSTOP')
  await delay(time)
  await program.signal('SIGCONT')
}

const component = (name: string, pick: (scene: Scene) => Program): Phase[] => [
  { name: `${name} killed and restarted`, short: true, run: (scene, { away }) => restarted(pick(scene), away) },
  { name: `${name} paused`, short: name === 'copilot', run: (scene, { paused: time }) => paused(pick(scene), time) },
]

const routersOf = ({ programs }: Scene, engine: string): Router[] => programs.routers.filter((router) => router.engine === engine)

const router = (engine: 'embedded' | 'envoy'): Phase[] => [
  {
    name: `${engine} router killed and restarted`,
    short: true,
    run: async (scene, { away }) => {
      for (const one of routersOf(scene, engine).slice(0, 1)) {
        scene.excuse(one)
        await restarted(one.program, away)
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

const bbs = (name: string, distort: Scene['platform']['bbs']['distortion'], short = false): Phase => ({
  name: `BBS: ${name}`,
  short,
  run: async ({ platform }, { lying }) => {
    platform.bbs.distortion = distort
    await delay(lying)
    platform.bbs.distortion = {}
    // What was held back or left out is repaired by the read that follows a new connection.
    platform.bbs.cut()
  },
})

const cc = (name: string, distort: (path: string, answer: CcAnswer) => CcAnswer | undefined, short = false): Phase => ({
  name: `Cloud Controller: ${name}`,
  short,
  run: async ({ platform }, { minutes }) => {
    platform.cc.distort = distort
    await delay(minutes)
    platform.cc.distort = undefined
  },
})

/** One resource among pilot's own: every router refuses that one and takes the rest of the message. */
const poisoned = (name: string, resource: Resource): Phase => ({
  name,
  short: true,
  run: async ({ programs: { ads, routers } }, { lying }) => {
    const refused = ads.poison(resource)
    await eventually(() => refused.size === routers.length, 15_000)
    await delay(lying)
    ads.cease()
    const others = [...refused].flatMap(([router, refusals]) => refusals.filter((refusal) => refusal.name !== resource.name).map(({ name, reason }) => `${router} refused ${name}: ${reason}`))
    if (others.length) throw new Error(others.slice(0, 3).join('; '))
  },
})

const isBulk = (path: string): boolean => path.endsWith('/list')
const isList = (path: string): boolean => path.startsWith('/v3/')
const failing = (status: number, title: string, headers = {}) => ({ status, headers: { 'content-type': 'application/json', ...headers }, body: Buffer.from(JSON.stringify({ errors: [{ code: 10_001, title, detail: 'a fault' }] })) })

/** Keeps events back and lets them go in another order, some twice. */
function shuffling(): (event: Buffer) => Buffer[] {
  const held: Buffer[] = []
  return (event) => {
    held.push(Buffer.from(event))
    if (held.length < 4) return []
    return held.splice(0).sort(() => Math.random() - 0.5)
  }
}

export const phases: Phase[] = [
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
      scene.excuse(one)
      process.kill(envoy, 'SIGKILL')
      await delay(away)
    },
  },
  {
    name: 'Envoy itself paused',
    short: true,
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
        scene.excuse(one)
        await restarted(one.program, 0)
        await eventually(async () => (await fetch(`http://127.0.0.1:${one.probe}/health`)).ok)
        const agent = (await one.program.condition()).conditions['agent']
        if (!agent || !(Number(agent['age']) > 0) || !agent.reason?.includes('no pilot answers')) throw new Error(`${one.program.name} does not tell the age of its configuration: ${JSON.stringify(agent)}`)
      }
      await delay(away)
      pilot.start()
      await pilot.lives()
      await eventually(async () => (await Promise.all(routers.map(({ program }) => program.condition()))).every(({ conditions }) => conditions['agent']?.['age'] === 0))
    },
  },
  {
    name: 'BBS: event stream cut again and again',
    short: true,
    run: async ({ platform }, { lying }) => {
      for (const end = Date.now() + lying; Date.now() < end; await delay(400)) platform.bbs.cut()
    },
  },
  bbs('events twice', { event: (event) => [event, event] }),
  bbs('events out of order', { event: shuffling() }, true),
  bbs('events swallowed', { event: () => [] }),
  bbs('bulk lists cut short', { bulk: (path, body) => (isBulk(path) ? body.subarray(0, Math.floor(body.length * 0.6)) : body) }, true),
  bbs('bulk lists cut between two records', { bulk: (path, body) => (path.endsWith('domains/list') || !isBulk(path) ? body : wholeRecords(body, 0.5)) }, true),
  bbs('stale: no domain fresh, lists empty', { bulk: (path, body) => (path === '/v1/domains/list' ? Buffer.from(toBinary(DomainsResponseSchema, create(DomainsResponseSchema, {}))) : isBulk(path) ? Buffer.alloc(0) : body) }, true),
  bbs('lists empty, domain fresh', { bulk: (path, body) => (path.endsWith('domains/list') || !isBulk(path) ? body : Buffer.alloc(0)) }),
  {
    name: 'BBS hangs',
    short: true,
    run: async ({ platform }, { paused }) => {
      platform.bbs.hold()
      await delay(paused)
      platform.bbs.release()
    },
  },
  {
    name: 'BBS away',
    short: true,
    run: async ({ platform }, { away }) => {
      await platform.bbs.close()
      await delay(away)
      await platform.bbs.listen()
    },
  },
  cc('answers 500', () => failing(500, 'UnknownError'), true),
  cc('answers 429', () => failing(429, 'CF-RateLimitExceeded', { 'retry-after': '1' })),
  cc('half a page', (path, answer) => (isList(path) ? { ...answer, body: answer.body.subarray(0, Math.floor(answer.body.length / 2)) } : answer)),
  cc('half of the resources', (path, answer) => (isList(path) ? resources(answer, (all) => all.slice(0, all.length / 2), false) : answer)),
  cc('empty lists', (path, answer) => (isList(path) ? resources(answer, () => [], true) : answer), true),
  {
    name: 'Cloud Controller hangs',
    short: true,
    run: async ({ platform }, { paused }) => {
      platform.cc.hold()
      await delay(paused)
      platform.cc.release()
    },
  },
  {
    name: 'Cloud Controller away',
    run: async ({ platform }, { away }) => {
      await platform.cc.close()
      await delay(away)
      await platform.cc.listen()
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
  {
    name: 'poison: what BBS must not have said',
    short: true,
    run: (scene, { lying }) => poison(scene, lying),
  },
  poisoned('poison: bytes that no engine can read', undecodable(typeUrls.cluster, 'pub/poison.mesh.test')),
  poisoned('poison: a cluster that is refused once it is read', refusedCluster('pub/poison.mesh.test', { lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED })),
  {
    name: 'certificate files replaced',
    short: true,
    run: (scene, { away }) => replaceCertificates(scene, away),
  },
  {
    name: 'rolling restart of apps',
    short: true,
    orderly: true,
    run: ({ platform, truth }, { apps }) => rollApps(platform, [...new Set(truth.hosts.flatMap((host) => truth.owner(host) ?? []))].slice(0, apps)),
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

/** The first part of a protobuf list that ends where a record ends. */
function wholeRecords(body: Buffer, share: number): Buffer {
  let at = 0
  for (const limit = body.length * share; at < limit; ) {
    let [length, shift, next] = [0, 0, at + 1]
    for (; ; shift += 7) {
      const byte = body[next++]!
      length |= (byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    at = next + length
  }
  return body.subarray(0, at)
}

/** Other resources on a page; `honest` counts them in its total too. */
function resources(answer: CcAnswer, change: (all: unknown[]) => unknown[], honest: boolean): CcAnswer {
  const page = JSON.parse(answer.body.toString()) as { pagination?: { total_results: number }; resources?: unknown[] }
  if (!page.resources || !page.pagination) return answer
  const changed = change(page.resources)
  return { ...answer, body: Buffer.from(JSON.stringify({ ...page, pagination: { ...page.pagination, ...(honest && { total_results: changed.length }), next: null }, resources: changed })) }
}

/** Instances and routes that no engine can take: told by BBS, beside good ones of the same apps. */
async function poison({ platform, programs, churn, truth }: Scene, lying: number): Promise<void> {
  const { bbs } = platform.cells
  churn.spared = truth.owner('app-0')!
  await platform.cells.settled()
  const processGuid = platform.cells.of(churn.spared)[0]!.process
  const good = bbs.desired.find(processGuid)!.routes!
  const [victim] = bbs.actual.list({ processGuid })
  const { actualLrpKey, actualLrpInstanceKey, actualLrpNetInfo } = victim!.message
  const tell = (address: string): void => {
    bbs.actual.start(actualLrpKey!, actualLrpInstanceKey!, { ...victim!.message, actualLrpNetInfo: { ...actualLrpNetInfo!, address, instanceAddress: address } })
  }
  const routes = (extra: object[]) => ({ ...good, routes: { ...good.routes, 'cf-router': Buffer.from(JSON.stringify([...(JSON.parse(Buffer.from(good.routes['cf-router']!).toString()) as object[]), ...extra])) } })
  const hosts = ['bad host\u0000.mesh.test', `${'x'.repeat(300)}.mesh.test`, 'a..b.mesh.test', `deep.mesh.test/${'a/'.repeat(40)}`, 'reg[ex.mesh.test/(((', '\ud800.mesh.test']
  const options = [{ loadbalancing: 'hash', hash_header: 'bad header\r\n' }, { loadbalancing: 'hash', hash_header: 'x', hash_balance: '-1' }, { loadbalancing: 'nonsense' }]
  const extra = [...hosts.map((hostname) => ({ hostnames: [hostname], port: 8080 })), ...options.map((options, n) => ({ hostnames: [`poison-${n}.mesh.test`], port: 8080, options }))]

  tell('not an address\u0000')
  bbs.desired.update(processGuid, { routes: routes(extra), metricTags: {} } as never)
  await delay(lying)
  await Promise.all(programs.all.map((program) => program.lives()))
  bbs.desired.update(processGuid, { routes: good, metricTags: {} } as never)
  tell('127.0.0.1')
  churn.spared = undefined
}

/** What `cf restart --strategy rolling` does, to several apps at a time. */
async function rollApps({ session, cells }: Scene['platform'], apps: string[]): Promise<void> {
  const deployments = await Promise.all(apps.map((guid) => session.post('/v3/deployments', { strategy: 'rolling', relationships: { app: { data: { guid } } } })))
  for (const { guid } of deployments) {
    await eventually(async () => {
      const { status } = (await session.get(`/v3/deployments/${guid}`)) as unknown as { status: { value: string; reason: string } }
      if (status.value === 'FINALIZED' && status.reason !== 'DEPLOYED') throw new Error(status.reason)
      return status.value === 'FINALIZED'
    }, 120_000)
  }
  await cells.settled()
}

/** New certificates for every program: each shows its new one within seconds, without a restart. */
async function replaceCertificates({ authority, programs }: Scene, away: number): Promise<void> {
  const ports = [programs.copilotPort, programs.pilotPort, ...programs.routers.map(({ https }) => https)]
  const client = authority.issue('route-syncer')
  const shown = (port: number): Promise<string> => serial(port, authority, client)
  const before = await Promise.all(ports.map(shown))
  for (const name of ['copilot', 'pilot', 'istio-router']) authority.issue(name)
  authority.issue('router', { dns: ['*.mesh.test'], usages: ['server'] })
  authority.issue('backend', { dns: ['gorouter.service.cf.internal'] })
  await eventually(async () => (await Promise.all(ports.map(shown))).every((now, at) => now !== before[at]), 10_000)
  await delay(away)
}

async function serial(port: number, authority: Scene['authority'], client: { certificate: string; key: string }): Promise<string> {
  const { readFileSync } = await import('node:fs')
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, servername: 'x.mesh.test', ALPNProtocols: ['h2', 'http/1.1'], ca: authority.pair.certificate, cert: readFileSync(client.certificate), key: readFileSync(client.key), checkServerIdentity: () => undefined }, () => {
      resolve(new X509Certificate(socket.getPeerCertificate().raw).serialNumber)
      socket.destroy()
    })
    socket.on('error', reject)
  })
}
