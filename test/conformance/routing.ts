import { behaviour } from '../support/conformance.ts'
import { ask, raw } from '../support/client.ts'

behaviour('a route answers through its instance', async ({ t, router, mesh }) => {
  const { host, instances } = await mesh.serve()
  const answer = await ask(router.http, host)
  t.equal(answer.status, 200)
  t.equal(answer.body, `instance ${instances[0]?.guid}`)
})

behaviour('a host that no route has is 404 unknown_route', async ({ t, router, mesh }) => {
  const host = mesh.host()
  const answer = await ask(router.http, host)
  t.equal(answer.status, 404)
  t.equal(answer.headers['x-cf-routererror'], 'unknown_route')
  t.equal(answer.body.trim(), `404 Not Found: Requested route ('${host}') does not exist.`)
})

behaviour('a host matches whatever its case, port or trailing dot', async ({ t, router, mesh }) => {
  const { host } = await mesh.serve()
  for (const spelling of [host.toUpperCase(), `${host}:${router.http}`, `${host}.`, `${host}.:80`]) {
    t.equal((await ask(router.http, spelling)).status, 200, spelling)
  }
})

behaviour('a path matches on segment boundaries and is not stripped', async ({ t, router, mesh }) => {
  const { host } = await mesh.serve({ path: '/a', handler: (request, response) => response.end(request.url) })
  for (const path of ['/a', '/a/', '/a/b', '/a?x=/../..', '/a/b?y']) {
    const answer = await ask(router.http, host, { path })
    t.equal(answer.status, 200, path)
    t.equal(answer.body, path)
  }
  for (const path of ['/', '/ab', '/b/a', '/A']) t.equal((await ask(router.http, host, { path })).status, 404, path)
})

behaviour('the longest path wins, then the shorter ones', async ({ t, router, mesh }) => {
  const host = mesh.host()
  const [root, a, ab] = [await mesh.serve({ host }), await mesh.serve({ host, path: '/a' }), await mesh.serve({ host, path: '/a/b' })]
  const expected: [string, typeof root][] = [
    ['/', root],
    ['/x', root],
    ['/ab', root],
    ['/a', a],
    ['/a/x', a],
    ['/a/bc', a],
    ['/a/b', ab],
    ['/a/b/c/d', ab],
  ]
  for (const [path, served] of expected)
    t.equal((await ask(router.http, host, { path })).body, `instance ${served.instances[0]?.guid}`, path)
})

behaviour('an exact host wins over a wildcard, and the nearer wildcard over the farther', async ({ t, router, mesh }) => {
  const domain = mesh.host()
  const far = await mesh.serve({ host: `*.${domain}` })
  const near = await mesh.serve({ host: `*.b.${domain}` })
  const exact = await mesh.serve({ host: `x.b.${domain}` })
  const expected: [string, typeof far][] = [
    [`a.${domain}`, far],
    [`y.b.${domain}`, near],
    [`z.y.b.${domain}`, near],
    [`x.b.${domain}`, exact],
    [`b.${domain}`, far],
  ]
  for (const [host, served] of expected) t.equal((await ask(router.http, host)).body, `instance ${served.instances[0]?.guid}`, host)
  t.equal((await ask(router.http, domain)).status, 404, 'a wildcard does not match its own domain')
})

behaviour('a path is normalised once, before any decision', async ({ t, router, mesh }) => {
  const { host } = await mesh.serve({ path: '/a', handler: (request, response) => response.end(request.url) })
  for (const path of ['/b/../a', '/./a', '//a', '/%61', '/x/%2e%2e/a', '/a/./b/..']) {
    t.equal((await raw(router.http, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)).slice(9, 12), '200', path)
  }
  for (const path of ['/a/../b', '/a/%2e%2e/b', '/a%2fb/../../b']) {
    t.equal((await raw(router.http, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)).slice(9, 12), '404', path)
  }
})

behaviour('a route of an internal domain answers the internal listener only', async ({ t, router, mesh }) => {
  const { host } = await mesh.serve({ exposure: 'int' })
  t.equal((await ask(router.internal, host)).status, 200)
  t.equal((await ask(router.http, host)).status, 404)
  const open = await mesh.serve()
  t.equal((await ask(router.internal, open.host)).status, 404, 'nor the other way round')
})

behaviour('a Host header cannot name a cluster', async ({ t, router, mesh }) => {
  const { host } = await mesh.serve({ exposure: 'int' })
  for (const forged of [`int/${host}`, `pub/${host}`, 'pilot', 'agent', `../int/${host}`]) {
    const answer = await raw(router.http, `GET / HTTP/1.1\r\nHost: ${forged}\r\nConnection: close\r\n\r\n`)
    t.match(answer.slice(9, 12), /40[04]/, forged)
  }
})

behaviour('a route without running instances is 503 no_endpoints, one that is gone 404', async ({ t, router, mesh }) => {
  const served = await mesh.serve({ instances: 2 })
  await served.stopInstances()
  const down = await mesh.until(() => ask(router.http, served.host), 503)
  t.equal(down.headers['x-cf-routererror'], 'no_endpoints')
  await served.unmap()
  t.equal((await mesh.until(() => ask(router.http, served.host), 404)).headers['x-cf-routererror'], 'unknown_route')
})

behaviour('an instance that is added or removed is seen without a failed request', async ({ t, router, mesh }) => {
  const served = await mesh.serve()
  const added = await served.addInstance()
  const seen = new Set<string>()
  const failures: number[] = []
  const load = async (done: () => boolean): Promise<void> => {
    for (let i = 0; i < 2000 && !done(); i++) {
      const answer = await ask(router.http, served.host)
      if (answer.status !== 200) failures.push(answer.status)
      seen.add(answer.body)
    }
  }
  await load(() => seen.size === 2)
  t.ok(seen.has(`instance ${added.guid}`))
  await served.removeInstance(added)
  let lately: string[] = []
  await load(() => {
    lately = [...lately.slice(-19), ...seen]
    seen.clear()
    return lately.length >= 20 && !lately.includes(`instance ${added.guid}`)
  })
  t.same(failures, [])
  t.notOk(lately.includes(`instance ${added.guid}`))
})
