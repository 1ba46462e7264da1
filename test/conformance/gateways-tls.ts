import { createHash, createPublicKey, X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ask, type Answer } from '../support/client.ts'
import { behaviour, type Scene } from '../support/conformance.ts'
import { gateway, https, SpaceAuthority } from '../support/gateways.ts'
import type { Server } from '../../src/mesh/istio/types.ts'

type Keypair = { cert: string; key: string }

/** A host with a Gateway of the operator, who may name files of the routers, and what asks it with a client's certificate. */
async function secured({ mesh, router, apply }: Scene) {
  const { host } = await mesh.serve({ handler: (_request, response) => response.end('app') })
  const authority = new SpaceAuthority()
  const put = (name: string, content: string): string => {
    const file = join(mesh.folder, `${host}-${router.engine}-${name}.pem`)
    writeFileSync(file, content)
    return file
  }
  const server = authority.issue(host)
  const files = { serverCertificate: put('certificate', server.cert), privateKey: put('key', server.key) }
  const name = `secured-${host.split('.')[0]}`
  return {
    host,
    authority,
    put,
    files,
    server: (tls: Server['tls']): Promise<void> => apply(gateway(router, name, [https(tls, host)], 'mesh-system')),
    as: (client?: Keypair, tls: object = {}): Promise<Answer> => ask(router.https, host, { tls: { ca: authority.ca, ...client, ...tls } }),
  }
}
type Secured = Awaited<ReturnType<typeof secured>>

/** Asks as one who is let in until he is, and then as one who is not. */
async function letsIn({ t, mesh }: Scene, { as }: Secured, good: Keypair, bad: Keypair, what: string): Promise<void> {
  await mesh.eventually(async () => {
    const [welcome, stranger] = await Promise.allSettled([as(good), as(bad)])
    return welcome.status === 'fulfilled' && welcome.value.body === 'app' && stranger.status === 'rejected'
  })
  await t.rejects(as(bad), what)
}

behaviour('a Gateway takes only clients whose certificate has one of the names, hashes or keys that it is told', async (scene) => {
  const at = await secured(scene)
  const [good, bad] = [at.authority.issue('good'), at.authority.issue('bad')]
  const { raw } = new X509Certificate(good.cert)
  const hash = createHash('sha256').update(raw).digest('hex')
  const key = createHash('sha256')
    .update(createPublicKey(good.cert).export({ type: 'spki', format: 'der' }))
    .digest('base64')
  const mutual = { mode: 'MUTUAL', ...at.files, caCertificates: at.put('ca', at.authority.ca) } as const
  await at.server(mutual)
  await scene.mesh.eventually(() =>
    at.as(bad).then(
      ({ body }) => body === 'app',
      () => false,
    ),
  )
  await at.server({ ...mutual, subjectAltNames: ['good', 'other'] })
  await letsIn(scene, at, good, bad, 'another name')
  await at.server({ ...mutual, verifyCertificateHash: [hash] })
  await letsIn(scene, at, good, bad, 'another certificate')
  await at.server({ ...mutual, verifyCertificateSpki: [key] })
  await letsIn(scene, at, good, bad, 'another key')
})

behaviour('a Gateway takes no client whose certificate is revoked', async (scene) => {
  const at = await secured(scene)
  const [good, bad] = [at.authority.issue('good'), at.authority.issue('bad')]
  await at.server({
    mode: 'MUTUAL',
    ...at.files,
    caCertificates: at.put('ca', at.authority.ca),
    caCrl: at.put('crl', at.authority.revoke(bad.cert)),
  })
  await letsIn(scene, at, good, bad, 'a revoked one')
})

behaviour('the CAs of clients can be those of another secret than the certificate', async (scene) => {
  const at = await secured(scene)
  const clients = new SpaceAuthority()
  await at.authority.set(scene.mesh, at.host.split('.')[0]!, at.host, { namespace: 'mesh-system' })
  await scene.mesh.call('PUT', `/v1/secrets/mesh-system/${at.host.split('.')[0]}-clients`, { ca: clients.ca })
  await at.server({ mode: 'MUTUAL', credentialName: at.host.split('.')[0]!, caCertCredentialName: `${at.host.split('.')[0]}-clients` })
  await letsIn(scene, at, clients.issue('client'), at.authority.issue('client'), 'of the CA of the certificate')
})

for (const way of ['credentialNames', 'tlsCertificates'] as const) {
  behaviour(`a Gateway shows that of two certificates which the client can check (${way})`, async (scene) => {
    const { t, mesh } = scene
    const at = await secured(scene)
    const name = at.host.split('.')[0]!
    const pairs = { rsa: at.authority.issue(at.host), ecdsa: at.authority.issueEcdsa(at.host) }
    for (const [kind, { cert, key }] of Object.entries(pairs)) {
      if (way === 'credentialNames') await mesh.call('PUT', `/v1/secrets/mesh-system/${name}-${kind}`, { certificate: cert, key })
      else {
        at.put(kind, cert)
        at.put(`${kind}-key`, key)
      }
    }
    const file = (kind: string): string => join(mesh.folder, `${at.host}-${scene.router.engine}-${kind}.pem`)
    const kinds = Object.keys(pairs)
    await at.server({
      mode: 'SIMPLE',
      ...(way === 'credentialNames'
        ? { credentialNames: kinds.map((kind) => `${name}-${kind}`) }
        : { tlsCertificates: kinds.map((kind) => ({ serverCertificate: file(kind), privateKey: file(`${kind}-key`) })) }),
    })
    const only = (suite: string): Promise<string> => at.as(undefined, { ciphers: suite, maxVersion: 'TLSv1.2' }).then(({ body }) => body)
    await mesh.eventually(() =>
      only('ECDHE-RSA-AES128-GCM-SHA256').then(
        (body) => body === 'app',
        () => false,
      ),
    )
    t.equal(await only('ECDHE-ECDSA-AES128-GCM-SHA256'), 'app')
  })
}
