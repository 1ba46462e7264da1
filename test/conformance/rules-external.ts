import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { behaviour, type Scene } from '../support/conformance.ts'
import { ask, countBodies, many, type Answer } from '../support/client.ts'
import { external, outside } from '../support/external.ts'
import { SpaceAuthority } from '../support/gateways.ts'
import { typed } from '../support/mesh.ts'
import { destinationRule, ofOperator, serviceEntry, subsets, to, trafficPolicy, virtualService } from '../support/rules.ts'
import { within } from '../support/statistics.ts'
import type { ServiceEntrySpec, TrafficPolicy } from '../../src/mesh/istio/types.ts'

const local = '127.0.0.1'
const http = (targetPort?: number): NonNullable<ServiceEntrySpec['ports']> => [
  { number: 80, name: 'http', protocol: 'HTTP', ...(targetPort && { targetPort }) },
]

/** Asks for an external service as apps do, over the internal listener, until it is answered as wished. */
const until = ({ mesh, router }: Scene, host: string, wanted: (answer: Answer) => boolean, path = '/'): Promise<Answer> =>
  mesh.eventually(async () => {
    const answer = await ask(router.internal, host, { path })
    return wanted(answer) ? answer : undefined
  })
const says =
  (body: string) =>
  (answer: Answer): boolean =>
    answer.body === body

behaviour('an external service of fixed addresses is asked at their ports, by weight', async (scene) => {
  const { t, router, apply } = scene
  const host = outside(scene)
  const [one, two] = [await external.http(t, 'one'), await external.http(t, 'two')]
  await apply(
    serviceEntry(host, {
      resolution: 'STATIC',
      ports: http(1),
      endpoints: [
        { address: local, ports: { http: one }, weight: 3 },
        { address: '127.0.0.2', ports: { http: 2 }, weight: 1 },
      ],
    }),
  )
  await until(scene, host, says('one'))
  await apply(
    serviceEntry(host, {
      resolution: 'STATIC',
      ports: http(1),
      endpoints: [
        { address: local, ports: { http: one }, weight: 3 },
        { address: local, ports: { http: two }, weight: 1 },
      ],
    }),
  )
  await until(scene, host, says('two'))
  const counts = countBodies(await many(240, () => ask(router.internal, host)))
  t.ok(within(counts['one'] ?? 0, 240, 0.75), `${counts['one']} of 240`)
  t.equal((await ask(router.http, host)).status, 404, 'it is not reached from outside through the mesh')
})

behaviour('an external service is asked at the target port of the port that is named', async (scene) => {
  const { t, apply } = scene
  const host = outside(scene)
  const [plain, admin] = [await external.http(t, 'plain'), await external.http(t, 'admin')]
  await apply(
    serviceEntry(host, {
      resolution: 'STATIC',
      ports: [...http(plain), { number: 8080, name: 'admin', protocol: 'HTTP', targetPort: admin }],
      endpoints: [{ address: local }],
    }),
    ofOperator(
      virtualService(
        host,
        { match: [{ uri: { prefix: '/admin' } }], route: [{ destination: { host, port: { number: 8080 } } }] },
        { route: [{ destination: { host, port: { number: 80 } } }] },
      ),
    ),
  )
  await until(scene, host, says('plain'))
  await until(scene, host, says('admin'), '/admin')
})

for (const resolution of ['DNS', 'DNS_ROUND_ROBIN', 'NONE'] as const) {
  behaviour(`an external service's name is looked up and followed (${resolution})`, async (scene) => {
    const { t, mesh, router, apply } = scene
    const host = outside(scene)
    const port = await external.http(t, 'one')
    await external.http(t, 'two', '127.0.0.2', port)
    mesh.dns.addresses.set(host, [local])
    await apply(serviceEntry(host, { resolution, ports: http(port) }))
    await until(scene, host, says('one'))
    mesh.dns.addresses.set(host, [local, '127.0.0.2'])
    await until(scene, host, says('two'))
    t.same(Object.keys(countBodies(await many(40, () => ask(router.internal, host)))).sort(), ['one', 'two'])
    mesh.dns.addresses.set(host, [])
    await until(scene, host, ({ status }) => status === 503)
  })
}

behaviour('endpoints of an external service can be names, and subsets are chosen by their labels', async (scene) => {
  const { t, mesh, router, apply } = scene
  const host = outside(scene)
  const [one, two] = [await external.http(t, 'one'), await external.http(t, 'two')]
  mesh.dns.addresses.set(`eu.${host}`, [local])
  const endpoint = (address: string, version: string, port: number) => ({ address, labels: { version }, ports: { http: port } })
  await apply(
    serviceEntry(host, { resolution: 'DNS', ports: http(), endpoints: [endpoint(`eu.${host}`, 'v1', one), endpoint(local, 'v2', two)] }),
    ofOperator(destinationRule(host, { subsets: subsets('v1', 'v2') })),
    ofOperator(virtualService(host, { match: [{ uri: { prefix: '/v2' } }], route: [to(host, 'v2')] }, { route: [to(host, 'v1')] })),
  )
  await until(scene, host, says('one'))
  await until(scene, host, says('two'), '/v2')
  t.same(countBodies(await many(16, () => ask(router.internal, host))), { one: 16 })
})

for (const protocol of ['HTTP2', 'GRPC']) {
  behaviour(`an external service is spoken to as its port says (${protocol})`, async (scene) => {
    const { t, apply } = scene
    const host = outside(scene)
    const port = await external.http2(t, (request, response) => response.end(`HTTP/${request.httpVersion}`))
    await apply(
      serviceEntry(host, {
        resolution: 'STATIC',
        ports: [{ number: 80, name: 'h2', protocol, targetPort: port }],
        endpoints: [{ address: local }],
      }),
    )
    await until(scene, host, says('HTTP/2.0'))
  })
}

behaviour('rules hold for an external service: timeouts, retries, and what is too much is refused', async (scene) => {
  const { t, router, mesh, apply } = scene
  const host = outside(scene)
  let tries = 0
  const held: (() => void)[] = []
  const port = await external.http(t, (request, response) => {
    if (request.url === '/slow') return
    if (request.url === '/held') return void held.push(() => response.end('held'))
    response.writeHead(++tries % 3 === 0 ? 200 : 503).end()
  })
  await apply(
    serviceEntry(host, { resolution: 'STATIC', ports: http(port), endpoints: [{ address: local }] }),
    ofOperator(trafficPolicy(host, { connectionPool: { http: { http2MaxRequests: 1 } } })),
    ofOperator(
      virtualService(
        host,
        { match: [{ uri: { prefix: '/slow' } }], timeout: '0.3s', route: [to(host)] },
        { match: [{ uri: { prefix: '/held' } }], route: [to(host)] },
        { retries: { attempts: 2, retryOn: '5xx', backoff: '1ms' }, route: [to(host)] },
      ),
    ),
  )
  await until(scene, host, ({ status }) => status === 200)
  tries = 0
  t.equal((await ask(router.internal, host)).status, 200)
  t.equal(tries, 3)
  t.equal((await ask(router.internal, host, { path: '/slow' })).status, 504)
  const first = ask(router.internal, host, { path: '/held' })
  await mesh.eventually(() => held.length > 0)
  const refused = await until(scene, host, ({ status }) => status === 503)
  t.equal(refused.headers['x-envoy-overloaded'], 'true')
  held.forEach((release) => release())
  t.equal((await first).body, 'held')
})

behaviour("a space's external service never leads to a private address, whatever its name turns to", async (scene) => {
  const { t, mesh, router, apply } = scene
  const host = outside(scene)
  const port = await external.http(t, 'secret')
  const entry = (spec: Omit<ServiceEntrySpec, 'hosts'>) => ({
    ...typed('ServiceEntry'),
    metadata: { name: host.split('.')[0] },
    spec: { hosts: [host], ...spec },
  })
  await t.rejects(apply(entry({ resolution: 'STATIC', ports: http(port), endpoints: [{ address: local }] })), /MESH_ADDRESS_DENIED/)
  mesh.dns.addresses.set(host, [local])
  await apply(entry({ resolution: 'DNS', ports: http(port) }))
  await until(scene, host, ({ status }) => status === 503)
  const shown = await mesh.eventually(async () => {
    const { status } = (await mesh.call('GET', `/v1/resources/serviceentry/space/${host.split('.')[0]}`)) as {
      status: { conditions: { type: string; status: string; message?: string }[] }
    }
    return status.conditions.find(({ type, status }) => type === 'Degraded' && status === 'True')
  })
  t.match(shown.message, /leads to 127\.0\.0\.1, which is a private address/)
  t.equal((await ask(router.internal, host)).status, 503)
})

/** A DestinationRule of the operator, whose are the files of the routers. */
const operatorRule = (host: string, tls: NonNullable<TrafficPolicy['tls']>): object => ofOperator(trafficPolicy(host, { tls }))

/** A CA and, in files of the router, what a client needs for services whose certificates come from it. */
function certificates({ mesh }: Scene, host: string) {
  const authority = new SpaceAuthority()
  const put = (name: string, content: string): string => {
    const file = join(mesh.folder, `${host}-${name}.pem`)
    writeFileSync(file, content)
    return file
  }
  return { authority, put, ca: put('ca', authority.ca) }
}

behaviour('an external service over TLS must show a certificate of the CAs for the name that it is asked by', async (scene) => {
  const { t, apply } = scene
  const host = outside(scene)
  const { authority, ca } = certificates(scene, host)
  const names: string[] = []
  const port = await external.https(t, 'over TLS', {
    ...authority.issue(host),
    SNICallback: (name, done) => {
      names.push(name)
      done(null)
    },
  })
  const entry = (more: Partial<ServiceEntrySpec> = {}) =>
    serviceEntry(host, { resolution: 'STATIC', ports: http(port), endpoints: [{ address: local }], ...more })
  const unverified = ({ status }: Answer): boolean => status === 502
  await apply(entry(), operatorRule(host, { mode: 'SIMPLE', caCertificates: ca }))
  await until(scene, host, says('over TLS'))
  t.ok(names.every((name) => name === host))
  await apply(operatorRule(host, { mode: 'SIMPLE' }))
  await until(scene, host, unverified)
  await apply(operatorRule(host, { mode: 'SIMPLE', insecureSkipVerify: true }))
  await until(scene, host, says('over TLS'))
  await apply(operatorRule(host, { mode: 'SIMPLE', caCertificates: ca, sni: 'else.test' }))
  await until(scene, host, unverified)
  t.equal(names.at(-1), 'else.test')
  await apply(operatorRule(host, { mode: 'SIMPLE', caCertificates: ca, sni: 'else.test', subjectAltNames: [host] }))
  await until(scene, host, says('over TLS'))
  await apply(entry({ subjectAltNames: ['nobody.test'] }), operatorRule(host, { mode: 'SIMPLE', caCertificates: ca }))
  await until(scene, host, unverified)
  await apply(entry({ subjectAltNames: ['nobody.test', host] }))
  await until(scene, host, says('over TLS'))
  await apply(operatorRule(host, { mode: 'DISABLE' }))
  await until(scene, host, ({ status }) => status !== 200)
})

behaviour('an external service that asks for it is shown a certificate, and a revoked one of its own is not taken', async (scene) => {
  const { t, apply } = scene
  const host = outside(scene)
  const { authority, put, ca } = certificates(scene, host)
  const client = authority.issue('client')
  const server = authority.issue(host)
  const port = await external.https(t, 'known', { ...server, ca: authority.ca, requestCert: true, rejectUnauthorized: true })
  const mutual = {
    mode: 'MUTUAL',
    caCertificates: ca,
    clientCertificate: put('client', client.cert),
    privateKey: put('client-key', client.key),
  } as const
  await apply(
    serviceEntry(host, { resolution: 'STATIC', ports: http(port), endpoints: [{ address: local }] }),
    operatorRule(host, { mode: 'SIMPLE', caCertificates: ca }),
  )
  await until(scene, host, ({ status }) => status === 502)
  await apply(operatorRule(host, mutual))
  await until(scene, host, says('known'))
  await apply(operatorRule(host, { ...mutual, caCrl: put('none-revoked', authority.revoke()) }))
  await until(scene, host, says('known'))
  await apply(operatorRule(host, { ...mutual, caCrl: put('revoked', authority.revoke(server.cert)) }))
  await until(scene, host, ({ status }) => status === 502)
})
