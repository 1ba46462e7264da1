import { createHash, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import http2 from 'node:http2'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { test, type Test } from 'tap'
import { createAuthority, type KeyPair } from '../../../src/common/pki.ts'
import { instanceIdentity } from '../../../src/foundation/diego/runner/identity.ts'
import { routerNames, TlsProxy } from '../../../src/foundation/diego/container/tls-proxy.ts'
import { authority, client, eventually, router, startDiego, unknownClient, webProcess } from './harness.ts'

const identityAuthority = createAuthority('instanceIdentityCA')
const owner = { appGuid: 'app-1', spaceGuid: 'space-1', organizationGuid: 'org-1' }
const identityOf = (guid: string): Promise<KeyPair> => instanceIdentity(identityAuthority, owner, guid, '127.0.0.1', 86_400_000)

async function start(t: Test, serve: (socket: Socket) => void) {
  const app: Server = createServer({ allowHalfOpen: true }, serve)
  app.listen(0, '127.0.0.1')
  await once(app, 'listening')
  const proxy = new TlsProxy({
    identity: await identityOf('instance-1'),
    clientCa: authority.certificate,
    clientNames: routerNames,
    listenHost: '127.0.0.1',
    target: { host: '127.0.0.1', port: (app.address() as AddressInfo).port },
  })
  await proxy.start()
  t.teardown(() => {
    proxy.stop()
    app.close()
  })
  return proxy
}

const dial = (port: number, options: ConnectionOptions): TLSSocket =>
  connect({ host: '127.0.0.1', port, servername: 'instance-1', ca: identityAuthority.certificate, ...options })

const closed = (socket: TLSSocket): Promise<void> => new Promise((resolve) => socket.once('close', () => resolve()))

const asRouter = { cert: router.cert, key: router.key }

test('an instance shows its identity to a router, and passes bytes on both ways', async (t) => {
  const proxy = await start(t, (socket) => socket.pipe(socket))
  const socket = dial(proxy.port, { ...asRouter, allowHalfOpen: true } as ConnectionOptions)
  const bytes = Buffer.alloc(3_000_000, 'mesh')
  socket.end(bytes)
  const answer = await text(socket)
  t.equal(
    createHash('sha256').update(answer).digest('hex'),
    createHash('sha256').update(bytes).digest('hex'),
    'whole, though we had closed our end',
  )

  const again = dial(proxy.port, asRouter)
  await once(again, 'secureConnect')
  const certificate = again.getPeerX509Certificate()!
  t.equal(certificate.subjectAltName, 'DNS:instance-1, IP Address:127.0.0.1')
  t.same(certificate.subject.split('\n').toSorted(), ['CN=instance-1', 'OU=app:app-1', 'OU=organization:org-1', 'OU=space:space-1'])
  again.destroy()
})

test('it refuses all but routers with a certificate of the known CA', async (t) => {
  let reached = 0
  const proxy = await start(t, (socket) => {
    reached++
    socket.pipe(socket)
  })
  for (const [who, options] of Object.entries({
    nobody: {},
    'another name': { cert: client.cert, key: client.key },
    'another CA': { cert: unknownClient.cert, key: unknownClient.key },
  })) {
    const socket = dial(proxy.port, options)
    socket.on('error', () => {})
    socket.write('hello')
    await closed(socket)
    t.equal(reached, 0, who)
  }
})

test('a resumed session is checked as well, and let in', async (t) => {
  const proxy = await start(t, (socket) => socket.end('hello'))
  const first = dial(proxy.port, asRouter)
  const sessions: Buffer[] = []
  first.on('session', (session) => sessions.push(session))
  t.equal(await text(first), 'hello')
  const second = dial(proxy.port, { ...asRouter, session: sessions.at(-1) })
  await once(second, 'secureConnect')
  t.ok(second.isSessionReused())
  t.equal(await text(second), 'hello')
})

test('it takes h2 where a client offers it, as cells do; HTTP/2 passes to the app', async (t) => {
  const app = http2.createServer((_request, response) => response.end('over h2'))
  const proxy = await start(t, (socket) => app.emit('connection', socket))
  for (const [offered, taken] of [
    [['http/1.1', 'h2'], 'h2'],
    [['http/1.1'], 'http/1.1'],
    [['istio'], 'istio'],
    [undefined, false],
  ] as const) {
    const socket = dial(proxy.port, { ...asRouter, ALPNProtocols: offered && [...offered] })
    await once(socket, 'secureConnect')
    t.equal(socket.alpnProtocol, taken)
    socket.destroy()
  }
  const session = http2.connect('https://instance-1', { createConnection: () => dial(proxy.port, { ...asRouter, ALPNProtocols: ['h2'] }) })
  t.equal(await text(session.request({ ':path': '/' })), 'over h2')
  session.destroy()
})

test('an app that is gone closes the connection', async (t) => {
  const proxy = await start(t, (socket) => socket.destroy())
  const socket = dial(proxy.port, asRouter)
  socket.on('error', () => {})
  socket.write('hello')
  await closed(socket)
  t.ok(socket.destroyed)
})

test('a renewed identity is shown on new connections', async (t) => {
  const { diego, droplet } = await startDiego(t, { identityValidityMs: 3000, identityAuthority })
  diego.desire(
    webProcess(
      'p-1',
      await droplet({
        'app.js': `require('http').createServer((q, s) => s.end(require('fs').readFileSync(process.env.CF_INSTANCE_CERT))).listen(process.env.PORT)`,
      }),
    ),
  )
  const { ports, instanceGuid } = await eventually('running', () => diego.instances('p-1').find(({ state }) => state === 'RUNNING'))
  const serial = async (): Promise<string> => {
    const socket = dial(ports[0]!.externalTls, { ...asRouter, servername: instanceGuid, rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    const { serialNumber } = socket.getPeerX509Certificate()!
    socket.destroy()
    return serialNumber
  }
  const first = await serial()
  await eventually('another certificate', async () => (await serial()) !== first)
  const file = await (await fetch(`http://127.0.0.1:${ports[0]!.external}/`)).text()
  t.not(new X509Certificate(file).serialNumber, first, 'in the file as well')
})
