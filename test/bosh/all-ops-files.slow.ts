import { test } from 'tap'
import { join } from 'node:path'
import { readdirSync } from 'node:fs'
import { createAuthority, issueCertificate } from '../../src/common/pki.ts'
import { ask } from '../support/client.ts'
import { eventually } from '../support/wait.ts'
import { root, rubyAbsent } from './support/jobs.ts'
import { cfDeploymentAbsent, meshPart, withOpsFiles, type Manifest } from './support/manifests.ts'
import { meshDomain, Platform } from './support/platform.ts'
import { envoyAbsent } from './support/prefix.ts'

const optional = readdirSync(join(root, 'ops-files')).filter((name) => name.endsWith('.yml') && name !== 'add-mesh.yml')

/** What rep of a manifest accepts routers by. */
function acceptedBy({ instance_groups: groups }: Manifest): { trusted_ca_certificates: string[]; verify_subject_alt_name: string[] } {
  const rep = groups.find(({ name }) => name === 'diego-cell')!.jobs.find(({ name }) => name === 'rep')!
  return (rep.properties as { containers: { proxy: ReturnType<typeof acceptedBy> } }).containers.proxy
}

test(
  'cf-deployment with our ops-files, as processes',
  { skip: cfDeploymentAbsent ?? rubyAbsent ?? envoyAbsent, timeout: 500_000 },
  async (t) => {
    const authority = createAuthority('keypairs', 30)
    const keypair = (name: string) => {
      const { certificate, key } = issueCertificate(authority, { commonName: name, dns: [name] })
      return { name, certificate, private_key: key }
    }
    const manifest = withOpsFiles(['add-mesh.yml', ...optional])
    const { trusted_ca_certificates: cas, verify_subject_alt_name: names } = acceptedBy(manifest)
    t.ok(cas.includes('((mesh_backend_tls.ca))'), 'cells trust the CA of mesh-own-backend-identity.yml')
    const backend = createAuthority('meshBackendCA', 30)
    const platform = await Platform.start(
      meshPart(manifest),
      {
        system_domain: 'apps.test',
        mesh_domain: meshDomain,
        mesh_router_tls_keypairs: [keypair('first.test'), keypair('second.test')],
        istio_router_static_ips: ['127.0.0.1'],
        mesh_backend_ca: { ca: backend.certificate, certificate: backend.certificate, private_key: backend.key },
      },
      // That CA alone, so that gorouter's certificate would be refused.
      { ca: backend.certificate, names },
    )
    t.teardown(() => platform.stop())
    const { deployment, apps, routers } = platform
    const [router] = routers
    for (const vm of deployment.vms) if (vm.instance.group !== 'mesh-smoke-tests') await vm.start()
    t.equal(deployment.group('istio-router').length, 1, 'mesh-bosh-lite.yml has one router')

    const internal = 'hello.apps.mesh.internal'
    await apps.push({ name: 'hello', path: join(root, 'examples/hello'), routes: ['hello.apps.test', internal] }, () => {})

    await t.test('a route of the apps domain answers on the mesh domain', async () => {
      await eventually(async () => (await ask(router!.http, `hello.${meshDomain}`)).status === 200)
    })

    await t.test('an internal route answers on the internal listener only', async (t) => {
      await eventually(async () => (await ask(router!.internal, internal)).status === 200)
      t.equal((await ask(router!.http, internal)).status, 404)
      t.equal((await ask(router!.internal, `hello.${meshDomain}`)).status, 404)
    })

    await t.test('the smoke tests pass on the other mesh domain', async (t) => {
      const [errand] = deployment.group('mesh-smoke-tests')
      t.match(await errand!.run(errand!.prefix.path('jobs/smoke-tests/bin/run')), / passed\n$/)
    })

    await t.test('the keypairs are chosen by SNI', async (t) => {
      for (const name of ['first.test', 'second.test'])
        t.equal(
          (await ask(router!.https, `hello.${meshDomain}`, { tls: { servername: name, ca: authority.certificate } })).status,
          200,
          name,
        )
      await t.rejects(ask(router!.https, `hello.${meshDomain}`, { tls: { servername: 'third.test', ca: authority.certificate } }), {
        code: 'ERR_TLS_CERT_ALTNAME_INVALID',
      })
    })
  },
)
