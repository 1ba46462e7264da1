import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import { ask, countBodies, many } from '../support/client.ts'
import { behaviour, type Scene } from '../support/conformance.ts'
import { Mesh, type Served, type ServeOptions } from '../support/mesh.ts'

const checked = (how: string, timeout = '5s'): Pick<ServeOptions, 'annotations'> => ({
  annotations: { 'mesh.cloudfoundry.org/health-check': `${how} interval=200ms timeout=${timeout} unhealthy=2 healthy=2` },
})

/** Two instances whose first is ill when told so; `asked` are the checks that it got. */
async function ailing(mesh: Mesh, annotations = checked('http:/healthz')) {
  const state = { ill: false, asked: [] as IncomingMessage['headers'][] }
  let served: Served | undefined
  served = await mesh.serve({
    instances: 2,
    ...annotations,
    handler(request: IncomingMessage, response: ServerResponse) {
      const first = request.socket.localPort === served?.instances[0]?.port
      if (request.url !== '/healthz') return response.end(first ? 'first' : 'second')
      if (first) state.asked.push(request.headers)
      response.writeHead(first && state.ill ? 500 : 200).end()
    },
  })
  return { served, state }
}

/** Resolves once the instances that answer are these. */
const answering = ({ mesh, router }: Pick<Scene, 'mesh' | 'router'>, host: string, ...expected: string[]): Promise<unknown> =>
  mesh.eventually(
    async () =>
      Object.keys(countBodies(await many(16, () => ask(router.http, host))))
        .sort()
        .join() === expected.join(),
  )

behaviour('an instance that is ill gets no requests, and gets them again when it is well (http)', async (scene) => {
  const { t, router, mesh } = scene
  const { served, state } = await ailing(mesh)
  await answering(scene, served.host, 'first', 'second')
  state.ill = true
  await answering(scene, served.host, 'second')
  for (const { body } of await many(40, () => ask(router.http, served.host))) t.equal(body, 'second')
  state.ill = false
  await answering(scene, served.host, 'first', 'second')
  t.match(state.asked.at(-1), { host: 'health-check.mesh.internal' })
})

behaviour('one check that fails makes nobody ill, where it takes more', async (scene) => {
  const { t, mesh, router } = scene
  // Each cluster has checks of its own, over a connection of its own.
  const checks = new Map<Socket, number>()
  const { host } = await mesh.serve({
    ...checked('http:/healthz'),
    handler(request, response) {
      if (request.url !== '/healthz') return response.end('served')
      const nth = (checks.get(request.socket) ?? 0) + 1
      checks.set(request.socket, nth)
      response.writeHead(nth % 2 ? 200 : 503).end()
    },
  })
  await mesh.until(() => ask(router.http, host), 200)
  let failed = 0
  await mesh.eventually(async () => {
    if ((await ask(router.http, host)).status !== 200) failed++
    return Math.max(...checks.values()) >= 12
  })
  t.equal(failed, 0)
})

behaviour('when all instances are ill the answer is 503 and nobody is asked', async ({ t, router, mesh }) => {
  let served = 0
  const { host } = await mesh.serve({
    instances: 2,
    ...checked('http:/healthz'),
    handler: (request, response) => void (request.url === '/healthz' ? response.writeHead(503).end() : response.end(String(served++))),
  })
  const answer = await mesh.until(() => ask(router.http, host), 503)
  t.equal(answer.headers['x-cf-routererror'], 'no_endpoints')
  await many(16, () => ask(router.http, host))
  t.equal(served, 0, 'not before the first check either')
})

behaviour('an instance that hangs gets no requests (tcp), its TLS and its identity being part of the check', async (scene) => {
  const { t, router, mesh } = scene
  const served = await mesh.serve({
    instances: 2,
    ...checked('tcp', '400ms'),
    handler: (request, response) => void response.end(request.socket.localPort === served.instances[0]?.port ? 'first' : 'second'),
  })
  await answering(scene, served.host, 'first', 'second')
  const thaw = await served.instances[0]!.freeze()
  await answering(scene, served.host, 'second')
  thaw()
  const impostor = await mesh.serve({ identity: 'somebody-else', ...checked('tcp') })
  const answer = await mesh.until(() => ask(router.http, impostor.host), 503)
  t.equal(answer.headers['x-cf-routererror'], 'no_endpoints', 'who is somebody else is ill')
  t.equal(impostor.instances[0]?.requests, 0)
})

behaviour('an instance that says by gRPC that it does not serve gets no requests', async (scene) => {
  const { t, mesh } = scene
  const state = { serving: true, services: new Set<string>() }
  let served: Served | undefined
  served = await mesh.serve({
    instances: 2,
    ...checked('grpc:shop.Cart'),
    http2Handler(request: Http2ServerRequest, response: Http2ServerResponse) {
      const first = request.socket.localPort === served?.instances[0]?.port
      if (request.url !== '/grpc.health.v1.Health/Check') return response.end(first ? 'first' : 'second')
      request.on('data', (message: Buffer) => state.services.add(message.subarray(7).toString()))
      request.on('end', () => {
        response.writeHead(200, { 'content-type': 'application/grpc' })
        response.addTrailers({ 'grpc-status': '0' })
        response.end(Buffer.from([0, 0, 0, 0, 2, 8, first && !state.serving ? 2 : 1]))
      })
    },
  })
  await answering(scene, served.host, 'first', 'second')
  state.serving = false
  await answering(scene, served.host, 'second')
  state.serving = true
  await answering(scene, served.host, 'first', 'second')
  t.same([...state.services], ['shop.Cart'])
})

behaviour('an app of HTTP/1.1 that asks to be checked by gRPC is served unchecked', async ({ t, router, mesh }) => {
  const { host, instances } = await mesh.serve(checked('grpc'))
  await mesh.until(() => ask(router.http, host), 200)
  t.ok(instances[0]!.connections <= instances[0]!.requests, 'no connection was for a check')
})

behaviour("the operator's check holds for apps that say nothing, and for none that do", async ({ t, router: { engine } }) => {
  const mesh = await Mesh.start({ engines: [engine], translation: { healthCheck: 'http:/healthz interval=200ms timeout=5s unhealthy=1' } })
  t.teardown(() => mesh.stop())
  const router = mesh.routers.get(engine)!
  const { served, state } = await ailing(mesh, {})
  const other = await ailing(mesh, { annotations: { 'mesh.cloudfoundry.org/health-check': 'none' } })
  await answering({ mesh, router }, served.host, 'first', 'second')
  state.ill = other.state.ill = true
  await answering({ mesh, router }, served.host, 'second')
  await answering({ mesh, router }, other.served.host, 'first', 'second')
  t.same(other.state.asked, [])
})
