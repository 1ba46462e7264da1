import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { Server } from 'node:http'
import { connect, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { queryObjects } from 'node:v8'
import forge from 'node-forge'
import { test } from 'tap'
import { issueCertificate } from '../../../src/common/pki.ts'
import { typeUrls } from '../../../src/common/xds/resources.ts'
import { forwardedCertificate } from '../../../src/istio-router/embedded/forwarded.ts'
import { ask, raw } from '../../support/client.ts'
import { eventually } from '../../support/wait.ts'
import { caSecret, keypairSecret, serverAuthority, serverSecret, TestRouter } from './support.ts'

const ca = serverAuthority.certificate
const showAddresses = {
  handler: (request: { headers: object }, response: { end: (text: string) => unknown }) =>
    void response.end(JSON.stringify(request.headers)),
}

async function certificateFor(port: number, servername: string | undefined): Promise<string> {
  const socket = connectTls({ port, host: '127.0.0.1', ca, ...(servername ? { servername } : {}), rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { CN } = socket.getPeerCertificate().subject
  socket.destroy()
  return String(CN)
}

test('the keypair is chosen by the name that the client asks for', async (t) => {
  const router = await TestRouter.start(t, { keypairs: ['mesh.test', 'other.test'] })
  const chosen = await Promise.all(
    ['mesh.test', 'a.mesh.test', 'A.Other.Test', 'unknown.test', undefined].map((name) => certificateFor(router.https, name)),
  )
  t.strictSame(chosen, ['mesh.test', 'mesh.test', 'other.test', 'mesh.test', 'mesh.test'])
})

test('a new keypair is used at once, and open connections go on', async (t) => {
  const router = await TestRouter.start(t)
  const { host } = await router.serve()
  const old = connectTls({ port: router.https, host: '127.0.0.1', ca, servername: 'mesh.test' })
  await once(old, 'secureConnect')
  await router.apply([serverSecret('mesh.test', 'renewed')])
  t.equal(await certificateFor(router.https, 'a.mesh.test'), 'renewed')
  t.equal(await certificateFor(router.https, undefined), 'renewed')
  old.write(`GET / HTTP/1.1\r\nhost: ${host}\r\n\r\n`)
  t.match(String((await once(old, 'data'))[0]), /^HTTP\/1.1 200/)
  old.destroy()
})

test('a keypair, or CAs, that TLS cannot use are refused, and those before go on', async (t) => {
  const router = await TestRouter.start(t)
  const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
  const pair = issueCertificate(serverAuthority, { commonName: 'renewed', dns: ['mesh.test'] })
  const refused = await router.apply([
    keypairSecret('tls/mesh.test', { ...pair, certificate: pair.certificate + broken }),
    caSecret('backend/ca', broken),
  ])
  t.same(
    refused.map(({ name }) => name),
    ['tls/mesh.test', 'backend/ca'],
  )
  t.equal(await certificateFor(router.https, 'a.mesh.test'), 'mesh.test')
  t.same(await router.apply(router.listeners), [])
  const { host } = await router.serve()
  t.equal((await ask(router.http, host)).status, 200)
})

test('old TLS versions and plain HTTP on the TLS port are turned away', async (t) => {
  const router = await TestRouter.start(t)
  t.notMatch(await raw(router.https, 'GET / HTTP/1.1\r\nhost: a\r\n\r\n'), /HTTP/)
  const socket: TLSSocket = connectTls({
    port: router.https,
    host: '127.0.0.1',
    ca,
    servername: 'mesh.test',
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT:@SECLEVEL=0',
  })
  await t.rejects(once(socket, 'secureConnect'))
})

const v2 = (family: number, addresses: number[], command = 0x21) =>
  Buffer.concat([
    Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1'),
    Buffer.from([command, family, addresses.length >> 8, addresses.length & 255]),
    Buffer.from(addresses),
  ])

test("PROXY protocol tells the client's address", async (t) => {
  const router = await TestRouter.start(t)
  const { host } = await router.serve(showAddresses)
  const request = `GET / HTTP/1.1\r\nhost: ${host}\r\n\r\n`
  const forwarded = async (header: Buffer | string) =>
    /"x-forwarded-for":"([^"]*)"/.exec(await raw(router.proxied, Buffer.concat([Buffer.from(header), Buffer.from(request)]), '}'))?.[1]
  t.equal(await forwarded('PROXY TCP4 192.0.2.7 192.0.2.8 4711 80\r\n'), '192.0.2.7')
  t.equal(await forwarded('PROXY TCP6 2001:db8::7 2001:db8::8 4711 80\r\n'), '2001:db8::7')
  t.equal(await forwarded('PROXY UNKNOWN\r\n'), '127.0.0.1')
  t.equal(await forwarded(v2(0x11, [192, 0, 2, 9, 192, 0, 2, 8, 0x12, 0x67, 0, 80])), '192.0.2.9')
  const ipv6 = (last: number) => [0x20, 1, 0xd, 0xb8, ...Array.from({ length: 11 }, () => 0), last]
  t.equal(await forwarded(v2(0x21, [...ipv6(9), ...ipv6(8), 0x12, 0x67, 0, 80])), '2001:db8::9')
  t.equal(await forwarded(v2(0, [], 0x20)), '127.0.0.1')
  for (const bad of [
    '',
    'PROXY TCP4 1.2.3 4.5.6.7 1 2\r\n',
    'PROXY TCP4 1.2.3.4 4.5.6.7 1 70000\r\n',
    `PROXY ${'x'.repeat(200)}\r\n`,
    v2(0x11, [1, 2]),
    v2(0x11, [], 0x31),
  ])
    t.equal(await forwarded(bad), undefined)
})

test('a PROXY header may come in pieces', async (t) => {
  const router = await TestRouter.start(t)
  const { host } = await router.serve(showAddresses)
  const socket: Socket = connect({ port: router.proxied, host: '127.0.0.1', noDelay: true })
  for (const piece of ['PROXY TCP4 192.', '0.2.7 192.0.2.8 47', '11 80\r', `\nGET / HTTP/1.1\r\nhost: ${host}`, '\r\n\r\n']) {
    socket.write(piece)
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.match(String((await once(socket, 'data'))[0]), /192\.0\.2\.7/)
  socket.destroy()
})

test('X-Forwarded headers are believed from trusted proxies only', async (t) => {
  const headers = { 'x-forwarded-for': '203.0.113.1, 203.0.113.2', 'x-forwarded-proto': 'https', 'x-request-id': 'mine' }
  const told = async (router: TestRouter) => {
    const { host } = await router.serve(showAddresses)
    const answer = JSON.parse((await ask(router.http, host, { headers })).body) as Record<string, string>
    const line = await router.logged(() => true)
    return [answer['x-forwarded-for']!.replaceAll(' ', ''), answer['x-forwarded-proto'], line.client, answer['x-request-id'] === 'mine']
  }
  const all = '203.0.113.1,203.0.113.2,127.0.0.1'
  t.strictSame(await told(await TestRouter.start(t)), [all, 'http', '127.0.0.1', false])
  t.strictSame(await told(await TestRouter.start(t, { trustedHops: 1 })), [all, 'https', '203.0.113.2', false])
  t.strictSame(await told(await TestRouter.start(t, { trustedCidrs: ['127.0.0.0/8'] })), [all, 'https', '203.0.113.2', false])
  t.strictSame(await told(await TestRouter.start(t, { trustedCidrs: ['10.0.0.0/8', '::1/128'] })), [all, 'http', '127.0.0.1', false])
})

test('a removed listener listens no more', async (t) => {
  const router = await TestRouter.start(t)
  t.match(router.engine.condition(), { ready: true, listeners: 4 })
  await router.apply([], [{ typeUrl: typeUrls.listener, name: 'http' }])
  await t.rejects(ask(router.http, 'a.test'), { code: 'ECONNREFUSED' })
  t.equal((await ask(router.internal, 'a.test')).status, 404)
})

test('nothing is left of what a changed listener had before', async (t) => {
  const router = await TestRouter.start(t)
  const changeAll = async (): Promise<void> => {
    for (let i = 0; i < 3; i++) await router.apply(router.listeners)
    t.equal((await ask(router.http, 'a.test')).status, 404)
  }
  const grows = async (): Promise<boolean> => {
    const before = queryObjects(Server)
    await changeAll()
    return queryObjects(Server) > before
  }
  await changeAll()
  await eventually(async () => !(await grows()), 60_000)
  // One that waits for its keypair is looked at with every change.
  await router.apply([], [{ typeUrl: typeUrls.secret, name: 'tls/mesh.test' }])
  await eventually(async () => !(await grows()), 60_000)
})

test('a client is told of by its certificate, also where that has no subject, or one beyond ASCII', (t) => {
  const { certificate } = issueCertificate(serverAuthority, { commonName: 'caller', dns: ['caller.test'], organizationalUnits: ['app:a'] })
  t.match(forwardedCertificate(new X509Certificate(certificate)), /^Hash=[0-9a-f]{64};Subject="CN=caller,OU=app:a";DNS=caller.test$/)
  const named = (subject: forge.pki.CertificateField[]): string => {
    const other = forge.pki.certificateFromPem(certificate)
    other.setSubject(subject)
    other.sign(forge.pki.privateKeyFromPem(serverAuthority.key), forge.md.sha256.create())
    return forwardedCertificate(new X509Certificate(forge.pki.certificateToPem(other))).replace(/^Hash=[0-9a-f]{64};/, '')
  }
  t.equal(named([]), 'Subject="";DNS=caller.test')
  const utf8 = forge.asn1.Type.UTF8 as unknown as forge.asn1.Class
  t.equal(named([{ name: 'commonName', value: 'é中', valueTagClass: utf8 }]), 'Subject="CN=\\C3\\A9\\E4\\B8\\AD";DNS=caller.test')
  t.end()
})
