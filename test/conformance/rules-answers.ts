import { behaviour } from '../support/conformance.ts'
import { ask } from '../support/client.ts'
import { says, to, virtualService } from '../support/rules.ts'
import type { HttpRoute } from '../../src/mesh/istio/types.ts'

function redirecting(
  name: string,
  redirect: NonNullable<HttpRoute['redirect']>,
  path: string,
  status: number,
  location: (host: string) => string,
): void {
  behaviour(`a rule redirects ${name}`, async ({ t, router, mesh, apply }) => {
    const { host } = await mesh.serve()
    await apply(virtualService(host, { match: [{ uri: { prefix: '/old' } }], redirect }))
    const answer = await ask(router.http, host, { path })
    t.equal(answer.status, status)
    t.equal(answer.headers.location, location(host))
    t.equal(answer.body, '')
  })
}

redirecting('to another path, with the query', { uri: '/new' }, '/old/x?q=1', 301, (host) => `http://${host}/new?q=1`)
redirecting('to another prefix of the path', { uri: '%PREFIX()%/new' }, '/old/x?q=1', 301, (host) => `http://${host}/new/x?q=1`)
redirecting('to another authority', { authority: 'other.test' }, '/old/x?q=1', 301, () => 'http://other.test/old/x?q=1')
redirecting('to another scheme', { scheme: 'https' }, '/old', 301, (host) => `https://${host}/old`)
redirecting('to another port', { port: 8443 }, '/old', 301, (host) => `http://${host}:8443/old`)
redirecting(
  "to the scheme's own port",
  { scheme: 'https', derivePort: 'FROM_PROTOCOL_DEFAULT' },
  '/old',
  301,
  (host) => `https://${host}:443/old`,
)
for (const redirectCode of [302, 303, 307, 308])
  redirecting(`with status ${redirectCode}`, { uri: '/n', redirectCode }, '/old', redirectCode, (host) => `http://${host}/n`)

behaviour('a redirect leaves out a port that was of the other scheme', async ({ t, router, mesh, apply }) => {
  const { host } = await mesh.serve()
  await apply(virtualService(host, { redirect: { scheme: 'https' } }))
  t.equal((await ask(router.http, `${host}:80`, { path: '/x' })).headers.location, `https://${host}/x`)
  t.equal((await ask(router.http, `${host}:8080`, { path: '/x' })).headers.location, `https://${host}:8080/x`)
})

behaviour('a rule answers by itself, with text or bytes', async ({ t, router, mesh, apply }) => {
  const { host, instances } = await mesh.serve()
  const bytes = Buffer.from([0, 255, 10, 65])
  await apply(
    virtualService(
      host,
      {
        match: [{ uri: { exact: '/text' } }],
        directResponse: { status: 503, body: { string: 'closed for now' } },
        headers: { response: { set: { 'x-set': 'yes' } } },
      },
      { match: [{ uri: { exact: '/bytes' } }], directResponse: { status: 418, body: { bytes: bytes.toString('base64') } } },
      { directResponse: { status: 204 } },
    ),
  )
  const text = await ask(router.http, host, { path: '/text' })
  t.match(text, { status: 503, body: 'closed for now', headers: { 'x-set': 'yes', 'content-length': '14' } })
  const binary = await ask(router.http, host, { path: '/bytes' })
  t.match(binary, { status: 418, headers: { 'content-length': '4' } })
  t.equal(binary.body, bytes.toString('utf8'))
  t.equal((await ask(router.http, host, { path: '/none' })).status, 204)
  t.match(await ask(router.http, host, { path: '/text', method: 'HEAD' }), { status: 503, body: '' })
  t.equal(instances[0]?.requests, 0)
})

function rewriting(
  name: string,
  match: string,
  rewrite: NonNullable<HttpRoute['rewrite']>,
  expected: Record<string, string>,
  kind: 'prefix' | 'exact' | 'regex' = 'prefix',
  ignoreUriCase = false,
): void {
  behaviour(`a rule rewrites ${name}`, async ({ t, router, mesh, apply }) => {
    const { host } = await mesh.serve({ handler: (request, response) => response.end(request.url) })
    await apply(
      virtualService(host, { match: [{ uri: { [kind]: match }, ...(ignoreUriCase && { ignoreUriCase }) }], rewrite, route: [to(host)] }),
    )
    for (const [path, body] of Object.entries(expected)) t.equal((await ask(router.http, host, { path })).body, body, path)
  })
}

rewriting('the matched prefix', '/old', { uri: '/new' }, { '/old': '/new', '/old/x?q=/old': '/new/x?q=/old', '/older': '/newer' })
rewriting('a prefix whatever its case', '/old', { uri: '/new' }, { '/OLD/x': '/new/x' }, 'prefix', true)
rewriting('an exact path', '/old', { uri: '/new' }, { '/old?a': '/new?a' }, 'exact')
rewriting('a path that a regular expression matched', '/old/.*', { uri: '/new' }, { '/old/x?a': '/new?a' }, 'regex')
rewriting(
  'the path by a regular expression',
  '/',
  { uriRegexRewrite: { match: '^/v([0-9]+)/([^/]+)', rewrite: '/\\2/of/\\1' } },
  { '/v2/users/7?v1/x': '/users/of/2/7?v1/x', '/else': '/else' },
)
rewriting('every match of a regular expression', '/', { uriRegexRewrite: { match: 'a', rewrite: 'bb' } }, { '/banana?a': '/bbbnbbnbb?a' })

behaviour('a rule rewrites the authority', async ({ t, router, mesh, apply }) => {
  const { host } = await mesh.serve({ handler: (request, response) => response.end(request.headers.host) })
  await apply(
    virtualService(
      host,
      { match: [{ uri: { prefix: '/a' } }], rewrite: { authority: 'other.test' }, route: [to(host)] },
      { match: [{ uri: { prefix: '/b' } }], headers: { request: { set: { Host: 'as-header.test' } } }, route: [to(host)] },
      { route: [to(host)] },
    ),
  )
  t.equal((await ask(router.http, host, { path: '/a' })).body, 'other.test')
  t.equal((await ask(router.http, host, { path: '/b' })).body, 'as-header.test')
  t.equal((await ask(router.http, host)).body, host)
})

behaviour('a rule sets, adds and removes headers of requests and responses', async ({ t, router, mesh, apply }) => {
  const { host } = await mesh.serve({
    handler: (request, response) => {
      response.setHeader('x-kept', 'app')
      response.setHeader('x-set', 'app')
      response.setHeader('x-gone', 'app')
      response.end(JSON.stringify(request.headers))
    },
  })
  const operations = { set: { 'x-set': 'rule' }, add: { 'x-added': 'rule', 'x-kept': 'rule' }, remove: ['x-gone'] }
  await apply(virtualService(host, { headers: { request: operations, response: operations }, route: [to(host)] }))
  const answer = await ask(router.http, host, { headers: { 'x-kept': 'client', 'x-set': 'client', 'x-gone': 'client' } })
  t.match(JSON.parse(answer.body), { 'x-set': 'rule', 'x-added': 'rule', 'x-kept': /^client, ?rule$/ })
  t.notOk('x-gone' in JSON.parse(answer.body))
  t.match(answer.headers, { 'x-set': 'rule', 'x-added': 'rule', 'x-kept': /^app, ?rule$/ })
  t.notOk('x-gone' in answer.headers)
})

behaviour('headers are per destination, beside those of the rule', async ({ t, router, mesh, apply }) => {
  const { host } = await mesh.serve({
    handler: (request, response) => response.setHeader('x-gone', 'app').end(JSON.stringify(request.headers)),
  })
  const operations = (value: string) => ({ set: { 'x-set': value }, add: { 'x-added': value }, remove: ['x-gone'] })
  const both = (value: string) => ({ request: operations(value), response: operations(value) })
  await apply(
    virtualService(host, {
      headers: { request: { set: { 'x-rule': 'yes' } } },
      route: [
        { ...to(host), weight: 50, headers: both('one') },
        { ...to(host), weight: 50, headers: both('two') },
      ],
    }),
  )
  const seen = new Set<string>()
  for (let i = 0; i < 60; i++) {
    const answer = await ask(router.http, host, { headers: { 'x-gone': 'client' } })
    const received = JSON.parse(answer.body) as Record<string, string>
    t.equal(received['x-set'], answer.headers['x-set'])
    t.equal(received['x-added'], answer.headers['x-added'])
    t.equal(received['x-rule'], 'yes')
    t.notOk('x-gone' in received || 'x-gone' in answer.headers)
    seen.add(received['x-set'] ?? '')
  }
  // One of two is missed by chance once in 2⁵⁹.
  t.same([...seen].sort(), ['one', 'two'])
})

const preflight = (origin: string, method = 'PUT') => ({ method: 'OPTIONS', headers: { origin, 'access-control-request-method': method } })

behaviour('cross-origin requests are allowed as the rule says', async ({ t, router, mesh, apply }) => {
  const { host, instances } = await mesh.serve()
  await apply(
    virtualService(host, {
      corsPolicy: {
        allowOrigins: [{ exact: 'https://a.test' }, { prefix: 'https://b.' }, { regex: 'https://[cd]\\.test' }],
        allowMethods: ['GET', 'PUT'],
        allowHeaders: ['x-one', 'x-two'],
        exposeHeaders: ['x-seen'],
        maxAge: '86400s',
        allowCredentials: true,
      },
      route: [to(host)],
    }),
  )
  for (const origin of ['https://a.test', 'https://b.test', 'https://c.test']) {
    const answer = await ask(router.http, host, preflight(origin))
    t.equal(answer.status, 200, origin)
    t.match(answer.headers, {
      'access-control-allow-origin': origin,
      'access-control-allow-methods': 'GET,PUT',
      'access-control-allow-headers': 'x-one,x-two',
      'access-control-max-age': '86400',
      'access-control-allow-credentials': 'true',
    })
  }
  t.equal(instances[0]?.requests, 0)
  const simple = await ask(router.http, host, { headers: { origin: 'https://a.test' } })
  t.match(simple.headers, {
    'access-control-allow-origin': 'https://a.test',
    'access-control-allow-credentials': 'true',
    'access-control-expose-headers': 'x-seen',
  })
  const foreign = await ask(router.http, host, { headers: { origin: 'https://evil.test' } })
  t.equal(foreign.status, 200)
  t.notOk(foreign.headers['access-control-allow-origin'])
  await ask(router.http, host, preflight('https://evil.test'))
  t.equal(instances[0]?.requests, 3, "a preflight of a foreign origin is the app's to answer")
  await ask(router.http, host, { method: 'OPTIONS', headers: { origin: 'https://a.test' } })
  t.equal(instances[0]?.requests, 4, 'an OPTIONS request that asks for no method is no preflight')
})

behaviour(
  'preflights of foreign origins are answered by the router where the rule says IGNORE, and the old list of origins counts',
  async ({ t, router, mesh, apply }) => {
    const { host, instances } = await mesh.serve()
    await apply(
      virtualService(host, {
        corsPolicy: { allowOrigin: ['https://a.test'], unmatchedPreflights: 'IGNORE', allowMethods: ['GET'] },
        route: [to(host)],
      }),
    )
    t.equal((await ask(router.http, host, preflight('https://a.test'))).headers['access-control-allow-origin'], 'https://a.test')
    const foreign = await ask(router.http, host, preflight('https://evil.test'))
    t.equal(foreign.status, 200)
    t.notOk(foreign.headers['access-control-allow-origin'])
    t.equal(instances[0]?.requests, 0)
  },
)

behaviour('a rule that answers by itself can follow one that sends to an app', async ({ t, router, mesh, apply }) => {
  const { host } = await mesh.serve()
  await apply(virtualService(host, { match: [{ uri: { prefix: '/app' } }], route: [to(host)] }, says('rule')))
  t.match((await ask(router.http, host, { path: '/app' })).body, /^instance/)
  t.equal((await ask(router.http, host)).body, 'rule')
})
