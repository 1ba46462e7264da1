import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { ClientHttp2Session, Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import { WebSocket, WebSocketServer } from 'ws'
import { askHttp2, http2 } from '../support/client.ts'
import { behaviour, type Scene } from '../support/conformance.ts'
import { bound, gateway, http, https, SpaceAuthority } from '../support/gateways.ts'
import type { TestInstance } from '../support/instance.ts'
import { destinationRule, subsets, to, virtualService } from '../support/rules.ts'
import { within } from '../support/statistics.ts'

/** A gRPC service that answers a call with its name, and each message of a stream with its name and that message. */
const service = (name: string) => (request: Http2ServerRequest, response: Http2ServerResponse) => {
  response.writeHead(200, { 'content-type': 'application/grpc', 'x-service': name })
  response.addTrailers({ 'grpc-status': '0' })
  if (request.url === '/shop.Cart/Chat') {
    request.on('data', (message: Buffer) => response.write(`${name} ${message.toString()}`))
  } else request.resume()
  request.on('end', () => response.end(request.url === '/shop.Cart/Chat' ? '' : name))
}

const call = (session: ClientHttp2Session, host: string) =>
  askHttp2(
    session,
    { ':method': 'POST', ':path': '/shop.Cart/Add', ':authority': host, 'content-type': 'application/grpc', te: 'trailers' },
    'message',
  )

/** Opens a stream; `say` answers what comes back for one message. */
function chat(session: ClientHttp2Session, host: string) {
  const stream = session.request({
    ':method': 'POST',
    ':path': '/shop.Cart/Chat',
    ':authority': host,
    'content-type': 'application/grpc',
    te: 'trailers',
  })
  const say = async (message: string): Promise<string> => {
    stream.write(message)
    return String(((await once(stream, 'data')) as [Buffer])[0])
  }
  const end = async (): Promise<unknown> => {
    const trailers = once(stream, 'trailers')
    stream.end()
    stream.resume()
    return ((await trailers) as [Record<string, string>])[0]['grpc-status']
  }
  return { say, end }
}

behaviour('gRPC calls and streams are split by weight, and a stream stays where it began', async ({ t, router, mesh, apply }) => {
  const { host } = await mesh.serveVersions({ v1: { http2Handler: service('v1') }, v2: { http2Handler: service('v2') } })
  const split = (one: number) =>
    virtualService(host, {
      route: [
        { ...to(host, 'v1'), weight: one },
        { ...to(host, 'v2'), weight: 100 - one },
      ],
    })
  await apply(destinationRule(host, { subsets: subsets('v1', 'v2') }), split(80))
  const session = http2(router.http)
  t.teardown(() => session.close())
  let ones = 0
  for (let i = 0; i < 400; i++) {
    const { headers, trailers, body } = await call(session, host)
    if (headers[':status'] !== 200 || trailers['grpc-status'] !== '0') t.fail(JSON.stringify(headers))
    ones += Number(body.toString() === 'v1')
  }
  t.ok(within(ones, 400, 0.8), `${ones} of 400`)

  await apply(split(100))
  const stream = chat(session, host)
  t.equal(await stream.say('a'), 'v1 a')
  await apply(split(0))
  t.equal((await call(session, host)).body.toString(), 'v2')
  t.equal(await stream.say('b'), 'v1 b', 'rules that change leave it alone')
  t.equal(await stream.end(), '0')
})

behaviour('a stream outlives the timeout of routes without rules', async ({ t, router, mesh, apply }) => {
  const { host } = await mesh.serve({ http2Handler: service('app') })
  await apply(virtualService(host, { route: [to(host)] }))
  const session = http2(router.http)
  t.teardown(() => session.close())
  const stream = chat(session, host)
  t.equal(await stream.say('a'), 'app a')
  const began = performance.now()
  await mesh.eventually(() => performance.now() - began > 3500)
  t.equal(await stream.say('b'), 'app b')
  t.equal(await stream.end(), '0')
})

/** Makes an instance answer each message of a WebSocket with `name` and that message. */
function talking(instance: TestInstance, name: string): void {
  const sockets = new WebSocketServer({ noServer: true })
  instance.app.on('upgrade', (request: IncomingMessage, socket, head: Buffer) => {
    sockets.handleUpgrade(request, socket, head, (client) =>
      client.on('message', (data: Buffer) => client.send(`${name} ${request.url} ${String(request.headers['x-rule'])} ${data.toString()}`)),
    )
  })
}

async function open(
  url: string,
  host: string,
  ca?: string,
): Promise<{ say: (message: string) => Promise<string>; close: () => Promise<unknown> }> {
  const client = new WebSocket(url, { headers: { host }, ...(ca === undefined ? {} : ({ ca, servername: host } as object)) })
  await once(client, 'open')
  return {
    async say(message) {
      client.send(message)
      return String(((await once(client, 'message')) as [Buffer])[0])
    },
    close() {
      client.close()
      return once(client, 'close')
    },
  }
}

behaviour('a WebSocket goes by the rules, and outlives their change and the timeout of requests', async ({ t, router, mesh, apply }) => {
  const { host, apps } = await mesh.serveVersions({ v1: {}, v2: {} })
  apps.forEach(([instance], i) => talking(instance!, `v${i + 1}`))
  const rule = (version: string) =>
    virtualService(host, {
      match: [{ uri: { prefix: '/talk' } }],
      rewrite: { uri: '/chat' },
      headers: { request: { set: { 'x-rule': 'set' } } },
      timeout: '1s',
      route: [to(host, version)],
    })
  await apply(destinationRule(host, { subsets: subsets('v1', 'v2') }), rule('v1'))
  const url = `ws://127.0.0.1:${router.http}/talk`
  const first = await open(url, host)
  t.equal(await first.say('a'), 'v1 /chat set a')
  await apply(rule('v2'))
  const second = await open(url, host)
  t.equal(await second.say('b'), 'v2 /chat set b')
  const began = performance.now()
  await mesh.eventually(() => performance.now() - began > 1500)
  t.equal(await first.say('c'), 'v1 /chat set c')
  await first.close()
  await second.close()
})

/** A host behind a Gateway of its own, with TLS of its own on 443 and without on 80. */
async function gated({ mesh, router, apply }: Scene, host: string, name: string): Promise<string> {
  const authority = new SpaceAuthority()
  await authority.set(mesh, name, host)
  await apply(
    gateway(router, name, [http(host), https({ mode: 'SIMPLE', credentialName: name }, host)]),
    bound(name, host, {
      http: [{ headers: { request: { set: { 'x-rule': 'gated' } }, response: { set: { 'x-gated': 'yes' } } }, route: [to(host)] }],
    }),
  )
  return authority.ca
}

behaviour('gRPC calls and streams pass a Gateway, with TLS and without', async (scene) => {
  const { t, mesh, router } = scene
  const { host } = await mesh.serve({ http2Handler: service('app') })
  const ca = await gated(scene, host, `grpc-${router.engine}`)
  const secure = await mesh.eventually(async () => {
    const session = http2(router.https, { ca, servername: host })
    return once(session, 'connect').then(
      () => session,
      () => undefined,
    )
  })
  for (const session of [secure, http2(router.http)]) {
    const { headers, trailers, body } = await call(session, host)
    t.match({ ...headers }, { ':status': 200, 'x-gated': 'yes', 'x-service': 'app' })
    t.same([body.toString(), trailers['grpc-status']], ['app', '0'])
    const stream = chat(session, host)
    for (const message of ['one', 'two']) t.equal(await stream.say(message), `app ${message}`)
    t.equal(await stream.end(), '0')
    session.close()
  }
})

behaviour('a WebSocket passes a Gateway, with TLS and without', async (scene) => {
  const { t, mesh, router } = scene
  const { host, instances } = await mesh.serve()
  talking(instances[0]!, 'app')
  const ca = await gated(scene, host, `talk-${router.engine}`)
  const secure = await mesh.eventually(() => open(`wss://127.0.0.1:${router.https}/s`, host, ca).catch(() => undefined))
  for (const client of [secure, await open(`ws://127.0.0.1:${router.http}/s`, host)]) {
    t.equal(await client.say('hello'), 'app /s gated hello')
    await client.close()
  }
})
