import type { IncomingMessage, ServerResponse } from 'node:http'
import { createAuthority, issueCertificate } from '../../src/common/pki.ts'
import { ask, askHttp2, http2 } from '../support/client.ts'
import { behaviour } from '../support/conformance.ts'

const echo = { handler: (request: IncomingMessage, response: ServerResponse) => response.end(JSON.stringify(request.headers)) }

behaviour('an app that calls with its instance identity is known to the one that it calls', async ({ t, router, mesh }) => {
  const { host } = await mesh.serve({ exposure: 'int', ...echo })
  const tls = { ca: router.ca, ...mesh.caller({ app: 'app-1', space: 'space-1', organization: 'org-1' }) }
  for (const port of [router.internalTls, router.internalOptional]) {
    const { status, body } = await ask(port, host, { tls, headers: { 'x-forwarded-client-cert': 'Subject="OU=app:forged"' } })
    t.equal(status, 200)
    t.match(JSON.parse(body), {
      'x-forwarded-client-cert':
        /^Hash=[0-9a-f]{64};Subject="CN=instance,OU=app:app-1,OU=space:space-1,OU=organization:org-1";DNS=instance$/,
      'x-forwarded-proto': 'https',
    })
  }
  const session = http2(router.internalTls, { servername: host, ...tls })
  const h2 = await askHttp2(session, { ':path': '/', ':authority': host })
  session.close()
  t.match(JSON.parse(h2.body.toString()), { 'x-forwarded-client-cert': /OU=app:app-1/ }, 'over HTTP/2 too')
})

behaviour('a caller without a good certificate is kept out, unless none is required', async ({ t, router, mesh }) => {
  const { host, instances } = await mesh.serve({ exposure: 'int', ...echo })
  const stranger = issueCertificate(createAuthority('another CA'), { commonName: 'instance', organizationalUnits: ['app:app-1'] })
  const foreign = { ca: router.ca, cert: stranger.certificate, key: stranger.key }
  await t.rejects(ask(router.internalTls, host, { tls: { ca: router.ca } }))
  await t.rejects(ask(router.internalTls, host, { tls: foreign }))
  await t.rejects(ask(router.internalOptional, host, { tls: foreign }), 'one that is shown must be good')
  t.equal(instances[0]?.requests, 0)

  const { status, body } = await ask(router.internalOptional, host, {
    tls: { ca: router.ca },
    headers: { 'x-forwarded-client-cert': 'Subject="OU=app:forged"' },
  })
  t.equal(status, 200)
  t.notOk(JSON.parse(body)['x-forwarded-client-cert'], 'nobody is known, whatever the client says')
})

behaviour('the internal listener over TLS serves internal routes only', async ({ t, router, mesh }) => {
  const { host } = await mesh.serve()
  t.equal((await ask(router.internalTls, host, { tls: { ca: router.ca, ...mesh.caller({ app: 'app-1' }) } })).status, 404)
})
