import { ask } from '../support/client.ts'
import { behaviour, type Scene } from '../support/conformance.ts'
import { outside } from '../support/external.ts'
import { inSpace, ofOperator, rateLimit, says, serviceEntry, virtualService } from '../support/rules.ts'

/** Asks an internal host as an instance of an app, over TLS with its certificate. */
const asking = ({ mesh, router }: Scene, host: string) => {
  // The router's certificate is for hosts of the mesh alone, so that one of them is connected to, whoever is asked.
  const tls = (caller: Parameters<typeof mesh.caller>[0]) => ({ ca: router.ca, servername: 'egress.mesh.test', ...mesh.caller(caller) })
  return async (caller: Parameters<typeof mesh.caller>[0], path = '/'): Promise<string> => {
    const { status, body } = await ask(router.internalTls, host, { tls: tls(caller), path })
    return status === 200 ? body : String(status)
  }
}

behaviour('a rule chooses by the labels of the app that calls, as its certificate tells', async (scene) => {
  const { t, mesh, router, apply } = scene
  const { host } = await mesh.serve({ exposure: 'int' })
  const [red, blue] = [
    await mesh.serve({ appLabels: { team: 'red', tier: 'web' } }),
    await mesh.serve({ appLabels: { team: 'blue', tier: 'web' } }),
  ]
  await apply(
    virtualService(
      host,
      { match: [{ sourceLabels: { team: 'red', tier: 'web' } }], ...says('red') },
      { match: [{ sourceLabels: { tier: 'web' } }], ...says('web') },
      says('anybody'),
    ),
  )
  const as = asking(scene, host)
  t.equal(await as({ app: red.app }), 'red')
  t.equal(await as({ app: blue.app }), 'web')
  t.equal(await as({ app: 'stranger' }), 'anybody')
  const forged = { 'x-forwarded-client-cert': `Hash=0;Subject="CN=x,OU=app:${red.app},OU=space:space";DNS=x` }
  t.equal(
    (await ask(router.internalTls, host, { tls: { ca: router.ca, ...mesh.caller({ app: blue.app }) }, headers: forged })).body,
    'web',
    'what a caller says itself is nothing',
  )
  t.equal((await ask(router.internalOptional, host, { tls: { ca: router.ca }, headers: forged })).body, 'anybody')
  t.equal((await ask(router.internal, host, { headers: forged })).body, 'anybody', 'nor is it without TLS')
  await mesh.change([
    { kind: 'app', key: blue.app, value: { name: 'blue', space: 'space', labels: { team: 'red', tier: 'web' }, annotations: {} } },
  ])
  await mesh.eventually(async () => (await as({ app: blue.app })) === 'red')
})

behaviour('a rule chooses by the space that a caller is of, by guid or name', async (scene) => {
  const { t, mesh, apply } = scene
  const { host } = await mesh.serve({ exposure: 'int' })
  await mesh.change([{ kind: 'space', key: 'neighbour-guid', value: { name: 'neighbour', organization: 'org' } }])
  await apply(
    virtualService(
      host,
      { match: [{ sourceNamespace: 'neighbour' }], ...says('neighbour') },
      { match: [{ sourceNamespace: 'space' }], ...says('home') },
      says('anybody'),
    ),
  )
  const as = asking(scene, host)
  t.equal(await as({ app: 'a', space: 'neighbour-guid' }), 'neighbour')
  t.equal(await as({ app: 'a', space: 'space' }), 'home')
  t.equal(await as({ app: 'a', space: 'elsewhere' }), 'anybody')
})

behaviour('apps meet the ServiceEntry of their own space, and all that of the operator', async (scene) => {
  const { t, mesh, router, apply } = scene
  const host = outside(scene)
  for (const space of ['older', 'younger']) {
    await mesh.change([{ kind: 'space', key: space, value: { name: space, organization: 'org' } }])
    const rule = virtualService(host, { match: [{ uri: { prefix: `/${space}` } }], ...says(space) })
    await apply(...[serviceEntry(host, entry), rule].map((document) => inSpace(document, space)))
  }
  const as = asking(scene, host)
  const asOf = (space: string, path: string): Promise<string> => as({ app: 'a', space }, path)
  const plainly = async (path: string): Promise<string> => {
    const { status, body } = await ask(router.internal, host, { path })
    return status === 200 ? body : String(status)
  }
  t.same([await asOf('older', '/older'), await asOf('older', '/younger')], ['older', '404'])
  t.same([await asOf('younger', '/younger'), await asOf('younger', '/older')], ['younger', '404'])
  t.same([await asOf('space', '/older'), await asOf('space', '/younger')], ['404', '404'], 'a space without an entry of its own')
  t.same([await plainly('/older'), await plainly('/younger')], ['older', '404'], 'callers that are not known meet the oldest')
  await apply(serviceEntry(host, entry), ofOperator(virtualService(host, says('all'))))
  t.same([await asOf('younger', '/younger'), await asOf('space', '/'), await plainly('/older')], ['all', 'all', 'all'])
})

behaviour('a limit for a host outside counts the apps of its own space', async (scene) => {
  const { t, mesh, apply } = scene
  const host = outside(scene)
  for (const space of ['frugal', 'lavish']) {
    await mesh.change([{ kind: 'space', key: space, value: { name: space, organization: 'org' } }])
    await apply(...[serviceEntry(host, entry), virtualService(host, says(space))].map((document) => inSpace(document, space)))
  }
  await apply(inSpace(rateLimit(host, { limits: [{ per: 'route', requests: 1, unit: 'day' }] }), 'frugal'))
  const as = asking(scene, host)
  const [frugal, lavish] = [() => as({ app: 'a', space: 'frugal' }), () => as({ app: 'a', space: 'lavish' })]
  t.same([await lavish(), await frugal(), await frugal(), await lavish(), await lavish()], ['lavish', 'frugal', '429', 'lavish', 'lavish'])
})

const entry = {
  resolution: 'STATIC' as const,
  ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
  endpoints: [{ address: '192.0.2.1' }],
}

behaviour('a limit counts callers by their labels and space', async (scene) => {
  const { t, mesh, apply } = scene
  const [labelled, spaced] = [await mesh.serve({ exposure: 'int' }), await mesh.serve({ exposure: 'int' })]
  const red = await mesh.serve({ appLabels: { team: 'crimson' } })
  const limits = [{ per: 'route', requests: 1, unit: 'day' as const }]
  await apply(
    rateLimit(labelled.host, { match: [{ sourceLabels: { team: 'crimson' } }], limits }),
    rateLimit(spaced.host, { match: [{ sourceNamespace: 'space' }], limits }),
  )
  for (const [{ host, instances }, counted, other] of [
    [labelled, { app: red.app }, { app: 'other' }],
    [spaced, { app: 'a', space: 'space' }, { app: 'a', space: 'other' }],
  ] as const) {
    const as = asking(scene, host)
    const passed = `instance ${instances[0]?.guid}`
    t.same(
      [await as(other), await as(other), await as(counted), await as(counted), await as(other)],
      [passed, passed, passed, '429', passed],
    )
  }
})

behaviour('a condition on callers is refused where nobody is known by a certificate', async ({ t, mesh, apply }) => {
  const { host } = await mesh.serve()
  const rule = virtualService(host, { match: [{ sourceLabels: { team: 'red' } }], ...says('red') }) as { spec: object }
  await t.rejects(
    apply({ ...rule, spec: { ...rule.spec, gateways: ['some'] } }),
    /spec\.http\[0\]\.match\[0\]\.sourceLabels: is only for callers that are known by their certificate/,
  )
})
