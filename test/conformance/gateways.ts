import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { connect as connectTls, createServer as createTlsServer, type ConnectionOptions } from 'node:tls'
import { connect, type Socket } from 'node:net'
import { ask, http2, askHttp2 } from '../support/client.ts'
import { behaviour, type Scene } from '../support/conformance.ts'
import { bound, gateway, http, https, SpaceAuthority } from '../support/gateways.ts'
import { destinationRule, ofOperator, says, subsets, to, virtualService } from '../support/rules.ts'
import { within } from '../support/statistics.ts'

const text = (body: string) => ({ handler: (_request: unknown, response: { end: (text: string) => void }) => response.end(body) })

/** Asks until it is answered without an error and as wished. */
const until = <Answer>({ mesh }: Pick<Scene, 'mesh'>, send: () => Promise<Answer>, wanted: (answer: Answer) => boolean): Promise<Answer> =>
  mesh.eventually(async () => {
    const answer = await send().catch(() => undefined)
    return answer !== undefined && wanted(answer) ? answer : undefined
  })

/** What a client reads on a connection, having sent `ping`. */
function echo(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('closed')))
    socket.on('data', (data: Buffer) => {
      resolve(data.toString())
      socket.destroy()
    })
    socket.write('ping')
  })
}
const tcp = (port: number): Promise<string> => echo(connect(port, '127.0.0.1'))
const tcpOverTls = (port: number, servername: string, tls: ConnectionOptions): Promise<string> =>
  echo(connectTls({ host: '127.0.0.1', port, servername, ...tls }))

behaviour('a Gateway sends requests without TLS on to the same address with it, and no others', async ({ t, router, mesh, apply }) => {
  const { host } = await mesh.serve()
  await apply(
    gateway(router, 'redirects', [{ ...http(host), tls: { httpsRedirect: true } }]),
    virtualService((await mesh.serve()).host, says('x')),
  )
  const answer = await until(
    { mesh },
    () => ask(router.http, host, { path: '/a?b=c' }),
    ({ status }) => status === 301,
  )
  t.equal(answer.headers['location'], `https://${host}/a?b=c`)
  t.equal((await ask(router.https, host, { tls: { ca: router.ca } })).status, 200)
})

behaviour('a rule that is bound to a Gateway holds for what arrives there only', async ({ t, router, mesh, apply }) => {
  const { host } = await mesh.serve(text('app'))
  await apply(gateway(router, 'plain', [http(host)]), bound('plain', host, { http: [says('rule')] }))
  t.match(await ask(router.http, host), { status: 200, body: 'rule' })
  t.equal((await ask(router.https, host, { tls: { ca: router.ca } })).status, 404, 'no server of the Gateway is there')
  t.match(await ask(router.http, host, { headers: { 'x-mesh-arrival': '443;' } }), { body: 'rule' }, 'a client cannot say where it arrived')
  await apply({ ...gateway(router, 'plain', [http(host)]), spec: { selector: { engine: 'none' }, servers: [http(host)] } })
  t.equal((await ask(router.http, host)).status, 404, 'the selector means other routers')
})

behaviour('a Gateway has TLS with a certificate of its space, which is renewed without a break', async ({ t, router, mesh, apply }) => {
  const { host } = await mesh.serve(text('app'))
  const other = await mesh.serve()
  const [authority, next] = [new SpaceAuthority(), new SpaceAuthority()]
  await authority.set(mesh, 'renewed', host)
  await apply(gateway(router, 'renewed', [https({ mode: 'SIMPLE', credentialName: 'renewed' }, host)]))
  await until(
    { mesh },
    () => ask(router.https, host, { tls: { ca: authority.ca } }),
    ({ body }) => body === 'app',
  )
  t.equal((await ask(router.https, other.host, { tls: { ca: router.ca } })).status, 200, 'other hosts have the certificate of the router')
  await next.set(mesh, 'renewed', host)
  const failures: string[] = []
  await until(
    { mesh },
    async () => {
      await ask(router.https, host, { tls: { ca: [authority.ca, next.ca] } }).catch((error: Error) => failures.push(error.message))
      return ask(router.https, host, { tls: { ca: next.ca } })
    },
    ({ status }) => status === 200,
  )
  t.same(failures, [])

  const { key } = JSON.parse(JSON.stringify(next.issue('x'))) as { key: string }
  t.ok(key.includes('PRIVATE KEY'))
  const stored = filesIn(join(mesh.folder, router.engine))
    .map((file) => readFileSync(file, 'latin1'))
    .join('')
  t.ok(stored.includes(host), 'the router keeps what leads to the host')
  t.notOk(stored.includes('PRIVATE KEY'), 'no key is on its disk')
})

const filesIn = (folder: string): string[] =>
  readdirSync(folder)
    .map((name) => join(folder, name))
    .filter((file) => statSync(file).isFile())

behaviour(
  'a Gateway with MUTUAL takes clients with a certificate of its CAs only, and its host is not reached around it',
  async ({ t, router, mesh, apply }) => {
    const { host } = await mesh.serve({ handler: (request, response) => response.end(JSON.stringify(request.headers)) })
    const other = await mesh.serve()
    const authority = new SpaceAuthority()
    await authority.set(mesh, 'mutual', host, { mutual: true })
    await apply(
      gateway(router, 'mutual', [https({ mode: 'MUTUAL', credentialName: 'mutual' }, host)]),
      virtualService(other.host, says('other')),
    )
    const tls = { ca: authority.ca, ...authority.issue('client') }
    const { body } = await until(
      { mesh },
      () => ask(router.https, host, { tls }),
      ({ status }) => status === 200,
    )
    t.match(JSON.parse(body), {
      'x-forwarded-client-cert': /Subject="CN=client";DNS=client/,
      'x-mesh-gateway': undefined,
      'x-mesh-arrival': undefined,
    })
    await t.rejects(ask(router.https, host, { tls: { ca: authority.ca } }), 'without a certificate')
    const stranger = new SpaceAuthority()
    await t.rejects(ask(router.https, host, { tls: { ca: authority.ca, ...stranger.issue('client') } }), "with another CA's")

    const around = { tls: { ca: router.ca, servername: other.host } }
    t.equal((await ask(router.https, other.host, around)).status, 200)
    t.equal((await ask(router.https, host, around)).status, 421, 'by the name of another host in the handshake')
    t.equal(
      (await ask(router.https, host, { ...around, headers: { 'x-mesh-gateway': 'space/mutual/0' } })).status,
      421,
      'whatever the client says',
    )
    t.equal((await ask(router.http, host)).status, 421, 'without TLS')
    const session = http2(router.https, { ca: router.ca, servername: other.host })
    t.equal((await askHttp2(session, { ':path': '/', ':authority': host })).headers[':status'], 421, 'on a connection to another host')
    session.close()

    await apply(gateway(router, 'mutual', [http(host), https({ mode: 'OPTIONAL_MUTUAL', credentialName: 'mutual' }, host)]))
    await until(
      { mesh },
      () => ask(router.https, host, { tls: { ca: authority.ca } }),
      ({ status }) => status === 200,
    )
    t.match(JSON.parse((await ask(router.https, host, { tls })).body), { 'x-forwarded-client-cert': /CN=client/ })
    await t.rejects(ask(router.https, host, { tls: { ca: authority.ca, ...stranger.issue('client') } }), 'one that is shown must be good')
    t.equal((await ask(router.http, host)).status, 200)
  },
)

behaviour('a Gateway bounds the TLS versions and cipher suites', async ({ t, router, mesh, apply }) => {
  const { host } = await mesh.serve()
  const authority = new SpaceAuthority()
  await authority.set(mesh, 'versions', host)
  const server = (tls: object) => gateway(router, 'versions', [https({ mode: 'SIMPLE', credentialName: 'versions', ...tls }, host)])
  const version = (range: ConnectionOptions) => ask(router.https, host, { tls: { ca: authority.ca, ...range } })
  await apply(server({ minProtocolVersion: 'TLSV1_3' }))
  await until(
    { mesh },
    () => version({ minVersion: 'TLSv1.3' }),
    ({ status }) => status === 200,
  )
  await t.rejects(version({ maxVersion: 'TLSv1.2' }))
  await apply(server({ maxProtocolVersion: 'TLSV1_2', cipherSuites: ['ECDHE-RSA-AES256-GCM-SHA384'] }))
  await until(
    { mesh },
    () => version({ maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES256-GCM-SHA384' }),
    ({ status }) => status === 200,
  )
  await t.rejects(version({ minVersion: 'TLSv1.3' }))
  await t.rejects(version({ maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' }))
})

behaviour(
  "the operator's Gateway reads certificates from files of the router, as soon as they are there",
  async ({ t, router, mesh, apply }) => {
    const { host } = await mesh.serve(text('app'))
    const authority = new SpaceAuthority()
    const file = (name: string): string => join(mesh.folder, `${host}-${name}.pem`)
    const tls = { mode: 'SIMPLE', serverCertificate: file('public'), privateKey: file('privatekey') } as const
    await apply(gateway(router, 'files', [https(tls, host)], 'mesh-system'))
    t.equal((await ask(router.http, host)).status, 200, 'files that are missing harm nobody else')
    const { cert, key } = authority.issue(host)
    writeFileSync(tls.privateKey, key)
    writeFileSync(tls.serverCertificate, cert)
    await until(
      { mesh },
      () => ask(router.https, host, { tls: { ca: authority.ca } }),
      ({ body }) => body === 'app',
    )
    await mesh.call('DELETE', '/v1/resources/gateway/mesh-system/files')
    await until(
      { mesh },
      () => ask(router.https, host, { tls: { ca: router.ca } }),
      ({ body }) => body === 'app',
    )
  },
)

behaviour('a Gateway opens ports that are leased to its space, and no others', async ({ t, router, mesh, apply }) => {
  const { host } = await mesh.serve(text('app'))
  const servers = [8081, 5432].map((number) => ({ port: { number, name: `http-${number}`, protocol: 'HTTP' }, hosts: [host] }))
  await apply(gateway(router, 'leased', servers), bound('leased', host, { http: [{ match: [{ port: 8081 }], ...says('leased') }] }))
  await until(
    { mesh },
    () => ask(router.gatewayPorts[8081]!, host),
    ({ body }) => body === 'leased',
  )
  t.equal((await ask(router.http, host)).status, 404)
  await t.rejects(ask(router.gatewayPorts[5432]!, host))
  const { status } = await mesh.eventually(async () => {
    const found = (await mesh.call('GET', '/v1/resources/gateway/space/leased')) as {
      status: { conditions: { type: string; status: string; message?: string }[] }
    }
    return found.status.conditions.some(({ type, status }) => type === 'Degraded' && status === 'True') ? found : undefined
  })
  t.match(status.conditions.find(({ type }) => type === 'Degraded')?.message, /spec\.servers\[1\]: port 5432 is not leased/)
})

behaviour('one rule holds for what arrives at a Gateway, another for the rest', async ({ t, router, mesh, apply }) => {
  const { host } = await mesh.serve(text('app'))
  const named = {
    ...(bound('partly', host, { http: [{ match: [{ gateways: ['partly'] }], ...says('gateway') }, says('rest')] }) as { spec: object }),
  }
  await apply(gateway(router, 'partly', [http(host)]), { ...named, spec: { ...named.spec, gateways: ['mesh', 'partly'] } })
  t.equal((await ask(router.http, host)).body, 'gateway')
  t.equal((await ask(router.https, host, { tls: { ca: router.ca } })).body, 'rest')
})

behaviour('TLS that passes through is led by port, Gateway, subset and weight', async ({ t, router, mesh, apply }) => {
  const authority = new SpaceAuthority()
  const host = mesh.host()
  const version = (name: string) => {
    const server = createTlsServer({ ...authority.issue(host) }, (socket) =>
      socket.once('data', (data) => socket.end(`${name} ${data.toString()}`)),
    )
    return { tcpHandler: (socket: Duplex) => void server.emit('connection', socket) }
  }
  await mesh.serveVersions({ v1: version('v1'), v2: version('v2') }, host)
  const passthrough = (number: number) => ({
    port: { number, name: `tls-${number}`, protocol: 'TLS' },
    hosts: [host],
    tls: { mode: 'PASSTHROUGH' as const },
  })
  const [one, two] = [`one-${router.engine}`, `two-${router.engine}`]
  const ported = (subset: string) => ({ destination: { host, subset, port: { number: 8080 } } })
  const service = bound(one, host, {
    tls: [
      {
        match: [{ sniHosts: [host], gateways: [two] }],
        route: [
          { ...ported('v1'), weight: 70 },
          { ...ported('v2'), weight: 30 },
        ],
      },
      { match: [{ sniHosts: [host], port: 443, destinationSubnets: ['192.0.2.0/24'] }], route: [ported('v1')] },
      { match: [{ sniHosts: [host], port: 443, destinationSubnets: ['127.0.0.0/8'] }], route: [ported('v2')] },
    ],
  }) as { spec: object }
  await apply(
    destinationRule(host, { subsets: subsets('v1', 'v2') }),
    gateway(router, one, [passthrough(443)]),
    gateway(router, two, [passthrough(9443)]),
    { ...service, spec: { ...service.spec, gateways: [one, two] } },
  )
  const through = (port: number): Promise<string> => tcpOverTls(port, host, { ca: authority.ca })
  t.equal(
    await until(
      { mesh },
      () => through(router.https),
      () => true,
    ),
    'v2 ping',
  )
  const other = await mesh.serve()
  t.equal(
    (await ask(router.https, other.host, { tls: { ca: router.ca } })).status,
    200,
    'what is for some addresses hides no other host there',
  )
  await until(
    { mesh },
    () => through(router.gatewayPorts[9443]!),
    () => true,
  )
  let ones = 0
  for (let i = 0; i < 120; i++) ones += Number((await through(router.gatewayPorts[9443]!)) === 'v1 ping')
  t.ok(within(ones, 120, 0.7), `${ones} of 120`)
})

behaviour('TCP is led by Gateway, address, subset and port', async ({ t, router, mesh, apply }) => {
  const version = (name: string) => ({
    tcpHandler: (socket: Duplex) => void socket.once('data', (data: Buffer) => socket.end(`${name} ${data.toString()}`)),
  })
  const { host } = await mesh.serveVersions({ v1: version('v1'), v2: version('v2') })
  const name = `led-${router.engine}`
  const ported = (subset: string) => ({ destination: { host, subset, port: { number: 8080 } } })
  await apply(
    ofOperator(destinationRule(host, { subsets: subsets('v1', 'v2') })),
    gateway(router, name, [{ port: { number: 5432, name: 'tcp', protocol: 'TCP' }, hosts: ['*'] }], 'mesh-system'),
    bound(
      name,
      host,
      {
        tcp: [
          { match: [{ gateways: ['mesh'] }], route: [ported('v1')] },
          { match: [{ gateways: [name], destinationSubnets: ['192.0.2.0/24'] }], route: [ported('v1')] },
          { match: [{ gateways: [name], destinationSubnets: ['127.0.0.1'] }], route: [ported('v2')] },
        ],
      },
      'mesh-system',
    ),
  )
  t.equal(
    await until(
      { mesh },
      () => tcp(router.gatewayPorts[5432]!),
      () => true,
    ),
    'v2 ping',
  )
  await mesh.call('DELETE', `/v1/resources/gateway/mesh-system/${name}`)
  await mesh.eventually(() =>
    tcp(router.gatewayPorts[5432]!).then(
      () => false,
      () => true,
    ),
  )
})

behaviour('TLS passes through to the app by the name in the handshake', async ({ t, router, mesh, apply }) => {
  const authority = new SpaceAuthority()
  const host = mesh.host()
  const server = createTlsServer({ ...authority.issue(host) }, (socket) =>
    socket.once('data', (data) => socket.end(`app got ${data.toString()}`)),
  )
  await mesh.serve({ host, tcpHandler: (socket) => server.emit('connection', socket) })
  const passthrough = (number: number) => ({
    port: { number, name: `tls-${number}`, protocol: 'TLS' },
    hosts: [host],
    tls: { mode: 'PASSTHROUGH' as const },
  })
  await apply(
    gateway(router, 'passes', [passthrough(443), passthrough(9443)]),
    bound('passes', host, { tls: [{ match: [{ sniHosts: [host] }], route: [{ destination: { host } }] }] }),
  )
  for (const port of [router.https, router.gatewayPorts[9443]!]) {
    t.equal(
      await until(
        { mesh },
        () => tcpOverTls(port, host, { ca: authority.ca }),
        () => true,
      ),
      'app got ping',
    )
  }
  await t.rejects(tcpOverTls(router.gatewayPorts[9443]!, 'else.mesh.test', { ca: authority.ca }), 'another name leads nowhere')
})

behaviour("TCP passes through the operator's ports, by weight, and TLS ends before it where asked", async ({ t, router, mesh, apply }) => {
  const saying = (name: string) =>
    mesh.serve({ tcpHandler: (socket) => socket.once('data', (data: Buffer) => socket.end(`${name} ${data.toString()}`)) })
  const [one, two] = [await saying('one'), await saying('two')]
  const authority = new SpaceAuthority()
  await authority.set(mesh, 'tcp', one.host, { namespace: 'mesh-system' })
  await apply(
    gateway(
      router,
      'tcp',
      [
        { port: { number: 5432, name: 'tcp', protocol: 'TCP' }, hosts: ['*'] },
        { port: { number: 9443, name: 'tls', protocol: 'TLS' }, hosts: [one.host], tls: { mode: 'SIMPLE', credentialName: 'tcp' } },
      ],
      'mesh-system',
    ),
    bound(
      'tcp',
      '*.mesh.test',
      {
        tcp: [
          {
            match: [{ port: 5432 }],
            route: [
              { ...to(one.host), weight: 90 },
              { ...to(two.host), weight: 10 },
            ],
          },
          { match: [{ port: 9443 }], route: [to(one.host)] },
        ],
      },
      'mesh-system',
    ),
  )
  await until(
    { mesh },
    () => tcp(router.gatewayPorts[5432]!),
    () => true,
  )
  let ones = 0
  for (let i = 0; i < 400; i++) ones += Number((await tcp(router.gatewayPorts[5432]!)) === 'one ping')
  t.ok(within(ones, 400, 0.9), `${ones} of 400`)
  t.equal(await tcpOverTls(router.gatewayPorts[9443]!, one.host, { ca: authority.ca }), 'one ping')
  await mesh.call('DELETE', '/v1/resources/gateway/mesh-system/tcp')
  await mesh.eventually(() =>
    tcp(router.gatewayPorts[5432]!).then(
      () => false,
      () => true,
    ),
  )
})
