import { readFileSync } from 'node:fs'
import { behaviour, type Scene } from '../support/conformance.ts'
import { ask, countBodies, http2, askHttp2, many } from '../support/client.ts'
import { to, trafficPolicy, virtualService } from '../support/rules.ts'
import type { TrafficPolicy } from '../../src/mesh/istio/types.ts'

type ConnectionPool = NonNullable<TrafficPolicy['connectionPool']>

/** An app that answers when told to. */
function holding() {
  const held: (() => void)[] = []
  return {
    held,
    handler: (_request: unknown, response: { end: () => unknown }): void => void held.push(() => response.end()),
    release: (): void => held.splice(0).forEach((answer) => answer()),
  }
}

function overflowing(name: string, connectionPool: ConnectionPool, taken: { held: number; waiting: number }): void {
  behaviour(`what is above ${name} is refused, with the reason`, async ({ t, router, mesh, apply }) => {
    const app = holding()
    const { host } = await mesh.serve({ handler: app.handler })
    await apply(trafficPolicy(host, { connectionPool }), virtualService(host, { route: [to(host)], retries: { attempts: 0 } }))
    const first = Array.from({ length: taken.held }, () => ask(router.http, host))
    await mesh.eventually(() => app.held.length === taken.held)
    const waiting = Array.from({ length: taken.waiting }, () => ask(router.http, host))
    const refused = await mesh.until(
      () =>
        Promise.race([ask(router.http, host), new Promise<never>((_resolve, reject) => setTimeout(() => reject(new Error('waits')), 200))]),
      503,
    )
    t.equal(refused.headers['x-envoy-overloaded'], 'true')
    t.equal(refused.headers['x-cf-routererror'], 'overflow')
    t.match(await mesh.eventually(() => router.accessLog().find((line) => line['host'] === host && line['status'] === 503)), {
      flags: 'UO',
    })
    while (app.held.length > 0) {
      app.release()
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    const releasing = setInterval(() => app.release(), 20)
    t.ok((await Promise.all([...first, ...waiting])).every(({ status }) => status === 200 || status === 503))
    t.equal((await ask(router.http, host)).status, 200)
    clearInterval(releasing)
  })
}

overflowing(
  'maxConnections and http1MaxPendingRequests',
  { tcp: { maxConnections: 1 }, http: { http1MaxPendingRequests: 1 } },
  { held: 1, waiting: 1 },
)
overflowing('http2MaxRequests', { http: { http2MaxRequests: 2 } }, { held: 2, waiting: 0 })

behaviour('http1MaxPendingRequests alone bounds what waits for new connections', async ({ t, router, mesh, apply }) => {
  const [well, frozen] = [await mesh.serve(), await mesh.serve()]
  const rules = ({ host }: { host: string }) => [
    trafficPolicy(host, { connectionPool: { tcp: { connectTimeout: '20s' }, http: { http1MaxPendingRequests: 1 } } }),
    virtualService(host, { route: [to(host)], timeout: '2.5s', retries: { attempts: 0 } }),
  ]
  await apply(...rules(well), ...rules(frozen))
  for (const options of [{}, {}, { method: 'POST', headers: { 'transfer-encoding': 'chunked' }, body: 'of no known length' }, {}])
    t.equal((await ask(router.http, well.host, options)).status, 200, 'one after the other none is refused')
  const thaw = await frozen.instances[0]!.freeze()
  const both = [ask(router.http, frozen.host), ask(router.http, frozen.host)]
  const refused = await Promise.race(both)
  t.match(refused, { status: 503, headers: { 'x-envoy-overloaded': 'true', 'x-cf-routererror': 'overflow' } })
  t.same(
    new Set((await Promise.all(both)).map(({ status }) => status)),
    new Set([503, 504]),
    'and the one that waited until its time was over is none of those',
  )
  t.equal((await ask(router.http, frozen.host)).status, 504, 'it waits no more')
  thaw()
})

behaviour('maxRequestsPerConnection ends connections, idle ones end by idleTimeout', async ({ t, router, mesh, apply }) => {
  const one = await mesh.serve()
  const idle = await mesh.serve()
  await apply(
    trafficPolicy(one.host, { connectionPool: { http: { maxRequestsPerConnection: 1 } } }),
    trafficPolicy(idle.host, { connectionPool: { http: { idleTimeout: '0.3s' } } }),
  )
  const before = one.instances[0]!.connections
  for (let i = 0; i < 5; i++) await ask(router.http, one.host)
  t.equal(one.instances[0]!.connections - before, 5)
  await ask(router.http, idle.host)
  await mesh.eventually(() => idle.instances[0]!.open === 0)
})

behaviour('connections end by tcp.idleTimeout and after maxConnectionDuration', async ({ mesh, router, apply }) => {
  const [idle, old] = [await mesh.serve(), await mesh.serve()]
  await apply(
    trafficPolicy(idle.host, { connectionPool: { tcp: { idleTimeout: '0.3s' } } }),
    trafficPolicy(old.host, { connectionPool: { tcp: { maxConnectionDuration: '0.5s' } } }),
  )
  for (const served of [idle, old]) {
    await ask(router.http, served.host)
    await mesh.eventually(() => served.instances[0]!.open === 0)
  }
})

behaviour('connectTimeout bounds the time for a connection', async ({ t, router, mesh, apply }) => {
  const { host, instances } = await mesh.serve()
  await apply(
    trafficPolicy(host, { connectionPool: { tcp: { connectTimeout: '0.2s', tcpKeepalive: { time: '60s' } } } }),
    virtualService(host, { route: [to(host)], retries: { attempts: 0 } }),
  )
  const frozen = await instances[0]!.freeze()
  const began = performance.now()
  const answer = await ask(router.http, host)
  t.equal(answer.status, 502)
  const took = performance.now() - began
  t.ok(took >= 190 && took < 2500, `${took} ms`)
  frozen()
})

behaviour('no more than maxRetries retries are under way', async ({ t, router, mesh, apply }) => {
  const { host, instances } = await mesh.serve({ handler: (_request, response) => response.writeHead(503).end() })
  await apply(
    trafficPolicy(host, { connectionPool: { http: { maxRetries: 1 } } }),
    virtualService(host, { route: [to(host)], retries: { attempts: 1, retryOn: '5xx', backoff: '2s' } }),
  )
  await many(16, () => ask(router.http, host))
  const { requests } = instances[0]!
  t.ok(requests >= 17 && requests < 32, `${requests} tries of 16 requests`)
})

for (const [name, retryBudget, least, most] of [
  ['few', { percent: 1, minRetryConcurrency: 1 }, 17, 31],
  ['a share of the requests under way', { percent: 50, minRetryConcurrency: 1 }, 32, 32],
  ['a fixed number at least', { percent: 0, minRetryConcurrency: 16 }, 32, 32],
] as const) {
  behaviour(`the budget of retries allows ${name}`, async ({ t, router, mesh, apply }) => {
    const app = holding()
    let tries = 0
    const { host } = await mesh.serve({
      handler: (request, response) =>
        request.url === '/held' ? app.handler(request, response) : void (tries++, response.writeHead(503).end()),
    })
    await apply(
      trafficPolicy(host, { retryBudget }),
      virtualService(host, { route: [to(host)], timeout: '20s', retries: { attempts: 1, retryOn: '5xx', backoff: '1s' } }),
    )
    const held = Array.from({ length: 20 }, () => ask(router.http, host, { path: '/held' }))
    await mesh.eventually(() => app.held.length === 20)
    // Eight at once, each of which waits up to a second for its retry.
    await many(16, () => ask(router.http, host))
    t.ok(tries >= least && tries <= most, `${tries} tries of 16 requests`)
    app.release()
    await Promise.all(held)
  })
}

behaviour(
  'connections are kept alive after the time of tcpKeepalive',
  async ({ t, router, mesh, apply }) => {
    const { host, instances } = await mesh.serve()
    await apply(trafficPolicy(host, { connectionPool: { tcp: { tcpKeepalive: { time: '97s', interval: '7s', probes: 3 } } } }))
    await ask(router.http, host)
    const timers = keepaliveTimers(instances[0]!.port)
    // The kernel counts in hundredths of a second down from it; by default it is an hour or more, and the embedded engine's own 60 s.
    t.ok(
      timers.some((left) => left > 60 && left <= 97),
      `${String(timers)} s left`,
    )
  },
  { only: 'envoy' },
)

/** Seconds until the kernel probes connections to a port of this machine (proc(5), /proc/net/tcp). */
function keepaliveTimers(port: number): number[] {
  const lines = readFileSync('/proc/net/tcp', 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
  const remote = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return lines
    .filter(([, , to, , , timer]) => to?.endsWith(remote) && timer?.startsWith('02:'))
    .map(([, , , , , timer]) => Number.parseInt(timer!.slice(3), 16) / 100)
}

behaviour('maxConcurrentStreams bounds the streams of one connection', async ({ t, router, mesh, apply }) => {
  const app = holding()
  const { host, instances } = await mesh.serve({ http2Handler: app.handler })
  await apply(trafficPolicy(host, { connectionPool: { http: { maxConcurrentStreams: 2 } } }))
  const session = http2(router.http)
  t.teardown(() => session.close())
  const before = instances[0]!.connections
  const answers = Array.from({ length: 6 }, () => askHttp2(session, { ':path': '/', ':authority': host }))
  await mesh.eventually(() => app.held.length === 6)
  t.ok(instances[0]!.connections - before >= 3, `${instances[0]!.connections - before} connections`)
  app.release()
  await Promise.all(answers)
})

type Outlier = NonNullable<TrafficPolicy['outlierDetection']>

/** Two instances; the first fails until it is told to recover. */
async function failing({ mesh, apply }: Scene, outlierDetection: Outlier, fail: (response: import('node:http').ServerResponse) => void) {
  let broken = true
  const served = await mesh.serve({
    instances: 2,
    handler: (request, response) =>
      broken && request.socket.localPort === served.instances[0]?.port ? fail(response) : response.end('good'),
  })
  await apply(
    trafficPolicy(served.host, { outlierDetection }),
    virtualService(served.host, { route: [to(served.host)], retries: { attempts: 0 } }),
  )
  return { served, recover: (): void => void (broken = false) }
}

for (const [name, outlier, status] of [
  ['consecutive5xxErrors', { consecutive5xxErrors: 3 }, 500],
  ['consecutiveGatewayErrors', { consecutiveGatewayErrors: 3, consecutive5xxErrors: 0 }, 503],
  ['consecutiveErrors', { consecutiveErrors: 3 }, 502],
] as const) {
  behaviour(`an instance is ejected after ${name} and tried again later`, async (scene) => {
    const { t, router, mesh } = scene
    const { served, recover } = await failing(
      scene,
      { ...outlier, interval: '0.2s', baseEjectionTime: '1s', maxEjectionPercent: 100 },
      (response) => response.writeHead(status).end(),
    )
    const port = router.http
    await mesh.eventually(async () => (await many(16, () => ask(port, served.host))).every((answer) => answer.status === 200))
    const failed = served.instances[0]!.requests
    t.ok(failed >= 3 && failed < 40, `${failed} requests failed`)
    recover()
    // Half-open, then closed: it is asked again.
    await mesh.eventually(async () => {
      await ask(port, served.host)
      return served.instances[0]!.requests > failed + 2
    })
  })
}

interface Listed {
  route?: string
  instance: string
  index?: number
  router: string
  state: string
  since: string
  until: string
  times: number
  cause: string
}

behaviour(
  'the ejected are listed: open, then half-open, out for longer when they fail again, and gone when they are well',
  async (scene) => {
    const { t, router, mesh } = scene
    const listed = async (): Promise<Listed[]> =>
      ((await mesh.call('GET', '/v1/ejections')) as { items: Listed[] }).items.filter(
        ({ route, router: name }) => route === served.host && name === router.engine,
      )
    const { served, recover } = await failing(
      scene,
      { consecutive5xxErrors: 2, interval: '3s', baseEjectionTime: '1s', maxEjectionPercent: 100 },
      (response) => response.writeHead(503).end(),
    )
    const { guid } = served.instances[0]!
    const send = (): Promise<unknown> => many(8, () => ask(router.http, served.host))
    const first = await mesh.eventually(async () => {
      await send()
      return (await listed()).find(({ state }) => state === 'open')
    })
    t.match(first, { instance: guid, index: 0, times: 1, cause: 'consecutive-5xx' })
    t.equal(Date.parse(first.until) - Date.parse(first.since), 1000)
    // It is not asked while it is out, so that it can be seen to come back by time alone.
    await mesh.eventually(async () => (await listed())[0]?.state === 'half-open')
    const again = await mesh.eventually(async () => {
      await send()
      return (await listed()).find(({ times }) => times > 1)
    })
    t.match(again, { instance: guid, state: 'open' })
    recover()
    await mesh.eventually(async () => {
      await send()
      return (await listed()).length === 0
    })
    const failed = served.instances[0]!.requests
    await mesh.eventually(async () => {
      await send()
      return served.instances[0]!.requests > failed
    })
    t.match(await metricsOf(router), /mesh_router_ejections_total\{.*\} ([2-9]|\d\d)/)
  },
)

behaviour('an ejected instance that goes is listed no more', async (scene) => {
  const { t, router, mesh } = scene
  const listed = async (): Promise<Listed[]> =>
    ((await mesh.call('GET', '/v1/ejections')) as { items: Listed[] }).items.filter(
      ({ route, router: name }) => route === served.host && name === router.engine,
    )
  const { served } = await failing(
    scene,
    { consecutive5xxErrors: 1, interval: '0.5s', baseEjectionTime: '600s', maxEjectionPercent: 100 },
    (response) => response.writeHead(500).end(),
  )
  await mesh.eventually(async () => {
    await many(4, () => ask(router.http, served.host))
    return (await listed()).length === 1
  })
  await mesh.change([{ kind: 'instance', key: served.instances[0]!.guid, value: null }])
  await mesh.eventually(async () => (await listed()).length === 0)
  t.equal((await ask(router.http, served.host)).body, 'good')
})

behaviour('errors below the count, or between good answers, eject nobody', async ({ t, router, mesh, apply }) => {
  let count = 0
  const { host, instances } = await mesh.serve({ handler: (_request, response) => response.writeHead(++count % 3 === 0 ? 200 : 500).end() })
  await apply(
    trafficPolicy(host, {
      outlierDetection: { consecutive5xxErrors: 3, interval: '0.1s', baseEjectionTime: '60s', maxEjectionPercent: 100 },
    }),
    virtualService(host, { route: [to(host)], retries: { attempts: 0 } }),
  )
  for (let i = 0; i < 30; i++) await ask(router.http, host)
  t.equal(instances[0]!.requests, 30)
})

behaviour('when all instances are ejected the answer is 503 and nobody is asked', async ({ t, router, mesh, apply }) => {
  const { host, instances } = await mesh.serve({ instances: 2, handler: (_request, response) => response.writeHead(500).end() })
  await apply(
    trafficPolicy(host, {
      outlierDetection: { consecutive5xxErrors: 1, interval: '0.2s', baseEjectionTime: '60s', maxEjectionPercent: 100 },
    }),
    virtualService(host, { route: [to(host)], retries: { attempts: 0 } }),
  )
  const answer = await mesh.until(() => ask(router.http, host), 503)
  t.equal(answer.headers['x-cf-routererror'], 'no_endpoints')
  const asked = instances.map(({ requests }) => requests)
  for (let i = 0; i < 10; i++) t.equal((await ask(router.http, host)).status, 503)
  t.same(
    instances.map(({ requests }) => requests),
    asked,
  )
})

behaviour('no more than maxEjectionPercent are ejected', async ({ t, router, mesh, apply }) => {
  const { host } = await mesh.serve({ instances: 4, handler: (_request, response) => response.writeHead(500).end() })
  await apply(
    trafficPolicy(host, {
      outlierDetection: { consecutive5xxErrors: 1, interval: '0.2s', baseEjectionTime: '60s', maxEjectionPercent: 50 },
    }),
    virtualService(host, { route: [to(host)], retries: { attempts: 0 } }),
  )
  const statuses = (await many(80, () => ask(router.http, host))).map(({ status }) => status)
  t.same([...new Set(statuses)], [500])
})

behaviour('below minHealthPercent the ejected are asked again', async ({ t, router, mesh, apply }) => {
  const { host } = await mesh.serve({ instances: 2, handler: (_request, response) => response.writeHead(500).end() })
  await apply(
    trafficPolicy(host, {
      outlierDetection: {
        consecutive5xxErrors: 1,
        interval: '0.2s',
        baseEjectionTime: '60s',
        maxEjectionPercent: 100,
        minHealthPercent: 60,
      },
    }),
    virtualService(host, { route: [to(host)], retries: { attempts: 0 } }),
  )
  const statuses = (await many(80, () => ask(router.http, host))).map(({ status }) => status)
  t.same([...new Set(statuses)], [500])
})

behaviour('failed connections are counted for themselves where the rule splits them', async (scene) => {
  const { t, router, mesh } = scene
  const outlier = {
    splitExternalLocalOriginErrors: true,
    consecutiveLocalOriginFailures: 2,
    consecutive5xxErrors: 0,
    interval: '0.2s',
    baseEjectionTime: '60s',
    maxEjectionPercent: 100,
  }
  const { served } = await failing(scene, outlier, (response) => response.writeHead(500).end())
  const statuses = countStatuses(await many(80, () => ask(router.http, served.host)))
  t.ok(statuses[500]! >= 30, 'answers of the app are not counted')
  await served.instances[0]!.stop()
  await mesh.eventually(async () => (await many(16, () => ask(router.http, served.host))).every(({ status }) => status === 200))
})

const metricsOf = async ({ program }: Scene['router']): Promise<string> =>
  (await fetch(`http://127.0.0.1:${program.healthPort}/metrics`)).text()

const countStatuses = (answers: { status: number }[]): Record<string, number> =>
  countBodies(answers.map((answer) => ({ ...answer, headers: {}, trailers: {}, body: String(answer.status) })))
