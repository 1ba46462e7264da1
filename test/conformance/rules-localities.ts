import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { behaviour } from '../support/conformance.ts'
import { ask, countBodies, many } from '../support/client.ts'
import { destinationRule, serviceEntry, subsets, to, trafficPolicy, virtualService } from '../support/rules.ts'
import { within } from '../support/statistics.ts'

/** The routers are in z1, those beside them in z2. */
const outlierDetection = { consecutive5xxErrors: 2, interval: '0.2s', baseEjectionTime: '0.5s', maxEjectionPercent: 100 }

behaviour(
  'each router asks the instances of its own zone, those of others while they fail, and its own again',
  async ({ t, router, mesh, apply }) => {
    let broken = false
    const served = await mesh.serve({
      instances: 4,
      zones: ['z1', 'z2'],
      handler: (request, response) => {
        const position = served.instances.findIndex(({ port }) => port === request.socket.localPort)
        response.writeHead(broken && position % 2 === 0 ? 500 : 200).end(position % 2 ? 'z2' : 'z1')
      },
    })
    const { host } = served
    const zonesOf = async (port: number): Promise<string> =>
      Object.keys(countBodies(await many(32, () => ask(port, host))))
        .toSorted()
        .join()
    t.equal(await zonesOf(router.http), 'z1,z2')
    await apply(
      trafficPolicy(host, { outlierDetection, loadBalancer: { localityLbSetting: { enabled: true } } }),
      virtualService(host, { route: [to(host)], retries: { attempts: 0 } }),
    )
    t.equal(await zonesOf(router.http), 'z1')
    await mesh.eventually(async () => (await zonesOf(router.trusting)) === 'z2')
    broken = true
    await mesh.eventually(async () => (await zonesOf(router.http)) === 'z2')
    broken = false
    await mesh.eventually(async () => (await zonesOf(router.http)) === 'z1')
    await apply(trafficPolicy(host, { outlierDetection, loadBalancer: { localityLbSetting: { enabled: false } } }))
    t.equal(await zonesOf(router.http), 'z1,z2')
  },
)

for (const [name, loadBalancer] of [
  ['turn', {}],
  ['hash', { consistentHash: { httpHeaderName: 'x-user' } }],
] as const) {
  behaviour(`zones get the shares that distribute gives them by ${name}`, async ({ t, router, mesh, apply }) => {
    const served = await mesh.serve({
      instances: 3,
      zones: ['z1', 'z2', 'z3'],
      handler: (request, response) =>
        response.end(['z1', 'z2', 'z3'][served.instances.findIndex(({ port }) => port === request.socket.localPort)]),
    })
    const { host } = served
    await apply(
      trafficPolicy(host, {
        loadBalancer: {
          ...loadBalancer,
          localityLbSetting: {
            distribute: [
              { from: 'cf/z2', to: { 'cf/z2': 100 } },
              { from: 'cf/z1/*', to: { 'cf/z1': 80, 'cf/z2': 20 } },
            ],
          },
        },
      }),
    )
    const n = 1000
    let user = 0
    const counts = countBodies(await many(n, () => ask(router.http, host, { headers: { 'x-user': String(user++) } })))
    t.ok(within(counts['z1'] ?? 0, n, 0.8), `${counts['z1']} of ${n}`)
    t.equal((counts['z1'] ?? 0) + (counts['z2'] ?? 0), n)
    await mesh.eventually(async () => Object.keys(countBodies(await many(32, () => ask(router.trusting, host)))).join() === 'z2')
  })
}

behaviour('failoverPriority prefers instances by their labels, then by their zone', async ({ t, router, mesh, apply }) => {
  let broken = false
  const handler = (name: string) => (_request: unknown, response: ServerResponse) =>
    response.writeHead(broken && name === 'v1' ? 500 : 200).end(name)
  const { host } = await mesh.serveVersions({
    v1: { handler: handler('v1'), zones: ['z2'] },
    v2: { handler: handler('v2'), zones: ['z1'] },
    v3: { handler: handler('v3'), zones: ['z3'] },
  })
  await apply(
    destinationRule(host, {
      subsets: subsets('v1', 'v2', 'v3'),
      trafficPolicy: {
        outlierDetection: { ...outlierDetection, baseEjectionTime: '60s' },
        loadBalancer: { localityLbSetting: { failoverPriority: ['version=v1', 'topology.kubernetes.io/zone'] } },
      },
    }),
    virtualService(host, { route: [to(host)], retries: { attempts: 0 } }),
  )
  const versions = async (): Promise<string> =>
    Object.keys(countBodies(await many(24, () => ask(router.http, host))))
      .toSorted()
      .join()
  t.equal(await versions(), 'v1')
  broken = true
  // Of those that are not v1 none has that first label, so that the second is not looked at.
  await mesh.eventually(async () => (await versions()) === 'v2,v3')
})

behaviour('retryRemoteLocalities tries in other zones what the own one does not answer', async ({ t, router, mesh, apply }) => {
  const served = await mesh.serve({
    instances: 6,
    zones: ['z1', 'z1', 'z1', 'z1', 'z1', 'z2'],
    handler: (request, response) => response.writeHead(request.socket.localPort === served.instances[5]?.port ? 200 : 503).end(),
  })
  const { host } = served
  const policy = trafficPolicy(host, {
    outlierDetection: { consecutive5xxErrors: 1000 },
    loadBalancer: { localityLbSetting: { enabled: true } },
  })
  const statuses = async (): Promise<string> =>
    [...new Set((await many(24, () => ask(router.http, host))).map(({ status }) => status))].join()
  await apply(policy, virtualService(host, { route: [to(host)], retries: { attempts: 2, retryOn: '5xx' } }))
  t.equal(await statuses(), '503')
  await apply(virtualService(host, { route: [to(host)], retries: { attempts: 2, retryOn: '5xx', retryRemoteLocalities: true } }))
  t.equal(await statuses(), '200')
})

behaviour('endpoints of a ServiceEntry fail over from region to region', async ({ t, router, mesh, apply }) => {
  const { host } = await mesh.serve()
  const endpoints = await Promise.all(
    ['cf', 'far', 'spare'].map(async (region) => {
      const server = createServer((_request, response) => response.writeHead(region === 'cf' ? 500 : 200).end(region)).listen(
        0,
        '127.0.0.1',
      )
      t.teardown(() => server.close())
      await once(server, 'listening')
      return { address: '127.0.0.1', ports: { http: (server.address() as AddressInfo).port }, locality: `${region}/z1` }
    }),
  )
  const name = `external-${router.engine}.test`
  await apply(
    serviceEntry(name, { resolution: 'STATIC', ports: [{ number: 80, name: 'http', protocol: 'HTTP' }], endpoints }),
    {
      ...trafficPolicy(name, {
        outlierDetection: { ...outlierDetection, baseEjectionTime: '60s' },
        loadBalancer: { localityLbSetting: { failover: [{ from: 'cf', to: 'spare' }] } },
      }),
      metadata: { name, namespace: 'mesh-system' },
    },
    virtualService(host, { route: [to(name)], retries: { attempts: 0 } }),
  )
  await mesh.eventually(async () => Object.keys(countBodies(await many(16, () => ask(router.http, host)))).join() === 'spare')
  t.pass()
})
