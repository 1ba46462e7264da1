import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { TrafficPolicy } from '../../src/mesh/istio/types.ts'
import { ask, type Answer } from '../support/client.ts'
import { behaviour, type Scene } from '../support/conformance.ts'
import { SpaceAuthority } from '../support/gateways.ts'
import { serviceEntry, to, trafficPolicy, virtualService } from '../support/rules.ts'

type Tls = NonNullable<TrafficPolicy['tls']>

/** A service outside that answers who it was asked for and whether it knows who asks, and a way to ask it by a rule's `tls`. */
async function outside({ t, mesh, router, apply }: Scene) {
  const authority = new SpaceAuthority()
  const name = `${mesh.host().split('.')[0]}.example.test`
  const server = createServer(
    { ...authority.issue(name, { dns: [name, 'also.example.test'] }), ca: authority.ca, requestCert: true, rejectUnauthorized: false },
    ({ socket }, response) => {
      const { servername, authorized } = socket as TLSSocket & { servername: string }
      response.end(`${servername}${authorized ? ' known' : ''}`)
    },
  ).listen(0, '127.0.0.1')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  await once(server, 'listening')
  const { host } = await mesh.serve()
  const { port } = server.address() as AddressInfo
  const entry = (more: object = {}): object =>
    serviceEntry(name, {
      resolution: 'STATIC',
      ports: [{ number: 443, name: 'https', protocol: 'HTTPS' }],
      endpoints: [{ address: '127.0.0.1', ports: { https: port } }],
      ...more,
    })
  await apply(entry(), virtualService(host, { route: [to(name)], retries: { attempts: 0 } }))
  return {
    authority,
    name,
    entry,
    under: async (tls: Tls): Promise<Answer> => {
      await apply({ ...trafficPolicy(name, { tls }), metadata: { name, namespace: 'mesh-system' } })
      // What a cluster's secret holds comes on its own.
      return mesh.eventually(async () => {
        const answer = await ask(router.http, host)
        return answer.headers['x-cf-routererror'] === 'unknown_route' ? undefined : answer
      })
    },
  }
}

behaviour('a service outside is asked by TLS with a secret of copilot, and must be who it says', async (scene) => {
  const { t, mesh, apply, router } = scene
  const { authority, name, entry, under } = await outside(scene)
  const secret = `outside-${router.engine}`
  await authority.set(mesh, secret, 'client.test', { mutual: true, namespace: 'mesh-system' })
  t.match(await under({ mode: 'SIMPLE', credentialName: secret }), { status: 200, body: name })
  t.match(await under({ mode: 'MUTUAL', credentialName: secret }), { status: 200, body: `${name} known` })
  t.match(await under({ mode: 'SIMPLE', credentialName: secret, sni: 'also.example.test' }), { status: 200, body: 'also.example.test' })
  t.equal(
    (await under({ mode: 'SIMPLE', credentialName: secret, sni: 'else.example.test' })).status,
    502,
    'its certificate is for another name',
  )
  t.match(await under({ mode: 'SIMPLE', credentialName: secret, sni: 'else.example.test', subjectAltNames: ['also.example.test'] }), {
    status: 200,
    body: 'else.example.test',
  })
  await apply(entry({ subjectAltNames: ['nobody.test'] }))
  t.equal((await under({ mode: 'SIMPLE', credentialName: secret })).status, 502)
  await apply(entry())

  t.match(await under({ mode: 'SIMPLE', credentialName: 'absent' }), { status: 503 })
  const degraded = await mesh.eventually(async () => {
    const { status } = (await mesh.call('GET', `/v1/resources/destinationrule/mesh-system/${name}`)) as {
      status: { conditions: { type: string; message?: string }[] }
    }
    return status.conditions.find(({ type, message }) => type === 'Degraded' && message)
  })
  t.match(degraded.message, /credentialName: there is no secret mesh-system\/absent/)
})
