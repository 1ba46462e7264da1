import { mkdirSync, writeFileSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { join } from 'node:path'
import { ask, type Answer } from '../support/client.ts'
import { behaviour, type Scene } from '../support/conformance.ts'
import { SpaceAuthority } from '../support/gateways.ts'
import { ofOperator } from '../support/rules.ts'
import { printed, seedAbsent } from '../support/seeds.ts'
import { within } from '../support/statistics.ts'

/** What seed 004 prints, applied as it is printed: hosts, labels and the folder of certificates are real ones. */
const skip = seedAbsent

interface Stood {
  status: { conditions: { type: string; status: string }[] }
}

interface Ejected {
  instance: string
  router: string
  state: string
}

/** Waits until routers go by the resources in all they say. */
async function programmed({ mesh }: Scene, documents: object[]): Promise<void> {
  for (const document of documents) {
    const {
      kind,
      metadata: { name, namespace = 'space' },
    } = document as { kind: string; metadata: { name: string; namespace?: string } }
    await mesh.eventually(async () => {
      const { status } = (await mesh.call('GET', `/v1/resources/${kind.toLowerCase()}/${namespace}/${name}`)) as Stood
      const is = Object.fromEntries(status.conditions.map((condition) => [condition.type, condition.status]))
      return is['Accepted'] === 'True' && is['Programmed'] === 'True' && is['Degraded'] === 'False'
    })
  }
}

/** Two versions of a service that is called by its name. */
function versions(
  { mesh }: Scene,
  service: string,
  handler: (version: string) => RequestListener,
): ReturnType<Scene['mesh']['serveVersions']> {
  const version = (name: string) => ({ handler: handler(name), appLabels: { app: service } })
  return mesh.serveVersions({ v1: version('v1'), v2: version('v2') })
}

behaviour(
  'a Gateway, and the rule bound to it, hold as seed 004 prints them',
  async (scene) => {
    const { t, router, apply } = scene
    const service = `caller-${router.engine}`
    const { host } = await versions(
      scene,
      service,
      (version) => (request, response) => void (request.url === '/slow' || response.end(version)),
    )
    const replaced = { 'caller.example.com': host, 'caller-service': service, 'callme-service': service }
    const [gateway, , rule, , destinations] = printed(replaced) as [object, object, object, object, object]
    await apply(gateway, rule, destinations)
    await programmed(scene, [gateway, rule, destinations])
    for (let i = 0; i < 20; i++) t.match(await ask(router.http, host), { status: 200, body: 'v1' })
    t.equal((await ask(router.https, host, { tls: { ca: router.ca } })).status, 404, 'the Gateway has no server with TLS')
    const withTimeout = printed(replaced, { commented: true })[2]!
    t.match(withTimeout, { spec: { http: [{ timeout: '0.5s' }] } })
    await apply(withTimeout)
    const slow = await ask(router.http, host, { path: '/slow' })
    t.equal(slow.status, 504)
    t.equal(slow.headers['x-cf-routererror'], 'timeout')
  },
  { skip },
)

behaviour(
  'a Gateway redirects to HTTPS, with a certificate of files, as seed 004 prints it',
  async (scene) => {
    const { t, mesh, router, apply } = scene
    const { host } = await mesh.serve({ handler: (_request, response) => response.end('app') })
    const authority = new SpaceAuthority()
    const folder = join(mesh.folder, `seed-${router.engine}`)
    const { cert, key } = authority.issue(host)
    mkdirSync(folder)
    writeFileSync(join(folder, 'foo-com-public.pem'), cert)
    writeFileSync(join(folder, 'foo-com-privatekey.pem'), key)
    // Files are the operator's.
    const gateway = ofOperator(printed({ 'foo.com': host, 'app: gateway-workloads': `engine: ${router.engine}`, '/etc/certs': folder })[1]!)
    await apply(gateway)
    await programmed(scene, [gateway])
    const redirected = await mesh.until(() => ask(router.http, host, { path: '/a' }), 301)
    t.equal(redirected.headers['location'], `https://${host}/a`)
    const secure = await mesh.eventually(() => ask(router.https, host, { path: '/a', tls: { ca: authority.ca } }).catch(() => undefined))
    t.match(secure, { status: 200, body: 'app' })
  },
  { skip },
)

behaviour(
  'a split, retries, a timeout, a delay, a pool and ejections hold as seed 004 prints them',
  async (scene) => {
    const { t, mesh, router, apply } = scene
    const service = `callme-${router.engine}`
    let flaky = 0
    const { host, apps } = await versions(scene, service, (version) => ({ url }, response) => {
      if (url === '/slow') return
      const status = url === '/fail' ? 500 : url === '/flaky' && flaky++ % 2 === 0 ? 503 : 200
      response.writeHead(status).end(version)
    })
    const instances = apps.flat()
    const send = (path = '/'): Promise<Answer> => ask(router.http, host, { path })
    const replaced = { 'callme-service': service }
    const [, , , rule, destinations] = printed(replaced) as [object, object, object, object, object]
    await apply(rule, destinations)
    await programmed(scene, [rule, destinations])

    let second = 0
    for (let i = 0; i < 200; i++) if ((await send()).body === 'v2') second++
    t.ok(within(second, 200, 0.8), `${second} of 200 to v2`)
    for (const { connections, requests } of instances) t.equal(connections, requests, 'a connection a request')
    const crowd = await Promise.all(Array.from({ length: 64 }, () => send()))
    t.match(crowd.find(({ status }) => status === 503)?.headers, { 'x-envoy-overloaded': 'true' }, 'one waits for a connection, no more')

    const all = printed(replaced, { commented: true })[3]!
    t.match(all, { spec: { http: [{ timeout: '0.5s', retries: { attempts: 3 }, fault: { delay: { fixedDelay: '3s' } } }] } })
    await apply(all)
    await programmed(scene, [all])
    const took = await Promise.all(
      Array.from({ length: 90 }, async () => {
        const began = performance.now()
        await send()
        return performance.now() - began
      }),
    )
    const delayed = took.filter((ms) => ms >= 2900).length
    t.ok(within(delayed, 90, 0.33), `${delayed} of 90 were delayed`)
    for (let i = 0; i < 4; i++) t.equal((await send('/flaky')).status, 200)
    t.equal(flaky, 8, 'each was tried again')
    t.equal((await send('/slow')).status, 504)

    await apply(rule)
    const ejected = async (): Promise<string[]> =>
      ((await mesh.call('GET', '/v1/ejections')) as { items: Ejected[] }).items
        .filter((one) => one.router === router.engine && one.state === 'open')
        .map(({ instance }) => instance)
    await mesh.eventually(async () => {
      await send('/fail')
      const out = await ejected()
      return instances.every(({ guid }) => out.includes(guid))
    })
    const asked = instances.map(({ requests }) => requests)
    for (let i = 0; i < 10; i++)
      t.match(await send(), { status: 503, headers: { 'x-cf-routererror': 'no_endpoints' } }, 'all are ejected, and none is asked')
    t.same(
      instances.map(({ requests }) => requests),
      asked,
    )
  },
  { skip },
)
