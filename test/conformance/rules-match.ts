import type { HttpMatch } from '../../src/mesh/istio/types.ts'
import { behaviour } from '../support/conformance.ts'
import { ask, type Ask } from '../support/client.ts'
import { says, virtualService } from '../support/rules.ts'

interface Case extends Ask {
  matches: boolean
  host?: string
}

/** One kind of match: of these requests, each as it says. */
function matching(name: string, match: HttpMatch | ((host: string) => HttpMatch), cases: Case[]): void {
  behaviour(`a rule matches by ${name}`, async ({ t, router, mesh, apply }) => {
    const { host } = await mesh.serve()
    await apply(
      virtualService(host, { name: 'one', match: [typeof match === 'function' ? match(host) : match], ...says('matched') }, says('other')),
    )
    for (const { matches, host: asked = host, ...request } of cases) {
      const { body } = await ask(router.http, asked, request)
      t.equal(body, matches ? 'matched' : 'other', JSON.stringify(request))
    }
  })
}

const paths = (expected: Record<string, boolean>): Case[] => Object.entries(expected).map(([path, matches]) => ({ path, matches }))
const withHeaders = (matches: boolean, headers: Record<string, string> = {}): Case => ({ headers, matches })

matching(
  'the exact path',
  { uri: { exact: '/a/b' } },
  paths({ '/a/b': true, '/a/b?x=/y': true, '/a/b/': false, '/A/b': false, '/a': false }),
)
matching(
  'a prefix of the path',
  { uri: { prefix: '/a' } },
  paths({ '/a': true, '/a/b': true, '/ab': true, '/A': false, '/': false, '/b/a': false }),
)
matching(
  'a regular expression for the whole path',
  { uri: { regex: '/a/[0-9]+(/x)?' } },
  paths({ '/a/12': true, '/a/1/x': true, '/a/1?x': true, '/a/': false, '/a/1/y': false, '/b/a/1': false }),
)
matching(
  'the exact path, whatever its case',
  { uri: { exact: '/a/B' }, ignoreUriCase: true },
  paths({ '/A/b': true, '/a/B': true, '/a/c': false }),
)
matching(
  'a prefix of the path, whatever its case',
  { uri: { prefix: '/Api' }, ignoreUriCase: true },
  paths({ '/API/x': true, '/api': true, '/ap': false }),
)
// Istio: "the case will be ignored only in the case of exact and prefix URI matches".
matching(
  'a regular expression, whose case counts always',
  { uri: { regex: '/x/[a-c]+' }, ignoreUriCase: true },
  paths({ '/x/abc': true, '/X/ABC': false, '/x/d': false }),
)
matching('the method', { method: { exact: 'POST' } }, [
  { method: 'POST', body: 'x', matches: true },
  { method: 'GET', matches: false },
])
matching('a regular expression for the method', { method: { regex: 'GET|HEAD' } }, [
  { method: 'GET', matches: true },
  { method: 'DELETE', matches: false },
])
matching('a prefix of the method', { method: { prefix: 'PO' } }, [
  { method: 'POST', body: 'x', matches: true },
  { method: 'PUT', body: 'x', matches: false },
])
matching('the authority', (host) => ({ authority: { exact: host } }), [{ matches: true }])
matching('a prefix of the authority', { authority: { prefix: 'host-' } }, [{ matches: true }])
matching('a regular expression for the authority', { authority: { regex: 'host-[0-9]+\\.mesh\\.test' } }, [{ matches: true }])
matching('another authority', { authority: { regex: 'nobody.*' } }, [{ matches: false }])
matching('the scheme', { scheme: { exact: 'https' } }, [{ matches: false }])
matching('a prefix of the scheme', { scheme: { prefix: 'htt' } }, [{ matches: true }])
matching('a regular expression for the scheme', { scheme: { regex: 'https?' } }, [{ matches: true }])
matching('a regular expression for another scheme', { scheme: { regex: 'https' } }, [{ matches: false }])
matching('the port, 80 without TLS', { port: 80 }, [{ matches: true }])
matching('the port, 443 with TLS', { port: 443 }, [{ matches: false }])
matching('an exact header', { headers: { 'end-user': { exact: 'jason' } } }, [
  withHeaders(true, { 'End-User': 'jason' }),
  withHeaders(false, { 'end-user': 'jasons' }),
  withHeaders(false, { 'end-user': 'Jason' }),
  withHeaders(false),
])
matching('a prefix of a header', { headers: { 'x-a': { prefix: 'be' } } }, [
  withHeaders(true, { 'x-a': 'beta' }),
  withHeaders(false, { 'x-a': 'abe' }),
  withHeaders(false),
])
matching('a regular expression for a header', { headers: { 'user-agent': { regex: '.*Firefox.*' } } }, [
  withHeaders(true, { 'user-agent': 'Mozilla/5.0 Firefox/9' }),
  withHeaders(false, { 'user-agent': 'curl' }),
  withHeaders(false),
])
matching('the presence of a header', { headers: { 'x-a': {} } }, [
  withHeaders(true, { 'x-a': 'any' }),
  withHeaders(true, { 'x-a': '' }),
  withHeaders(false),
])
matching('several headers together', { headers: { 'x-a': { exact: '1' }, 'x-b': { exact: '2' } } }, [
  withHeaders(true, { 'x-a': '1', 'x-b': '2' }),
  withHeaders(false, { 'x-a': '1' }),
])
matching('a header that must not be so', { withoutHeaders: { 'x-a': { exact: '1' } } }, [
  withHeaders(false, { 'x-a': '1' }),
  withHeaders(true, { 'x-a': '2' }),
  withHeaders(true),
])
matching('a header that must not begin so', { withoutHeaders: { 'x-a': { prefix: 'be' } } }, [
  withHeaders(false, { 'x-a': 'beta' }),
  withHeaders(true, { 'x-a': 'abe' }),
  withHeaders(true),
])
matching('a header that a regular expression must not match', { withoutHeaders: { 'x-a': { regex: '[0-9]+' } } }, [
  withHeaders(false, { 'x-a': '12' }),
  withHeaders(true, { 'x-a': '12a' }),
  withHeaders(true),
])
matching('a header that must not be there', { withoutHeaders: { 'x-a': {} } }, [withHeaders(false, { 'x-a': '1' }), withHeaders(true)])
matching(
  'an exact query parameter',
  { queryParams: { v: { exact: '2' } } },
  paths({ '/?v=2': true, '/?a=1&v=2': true, '/?v=1': false, '/?v=22': false, '/': false, '/?w=v=2': false }),
)
matching(
  'a prefix of a query parameter',
  { queryParams: { v: { prefix: 'be' } } },
  paths({ '/?v=beta': true, '/?v=alpha': false, '/': false }),
)
matching(
  'a regular expression for a query parameter',
  { queryParams: { v: { regex: '[0-9]+' } } },
  paths({ '/?v=12': true, '/?v=1a': false, '/?v=': false }),
)

behaviour('a rule matches by the scheme and port of a listener with TLS', async ({ t, router, mesh, apply }) => {
  const { host } = await mesh.serve()
  await apply(virtualService(host, { match: [{ scheme: { exact: 'https' }, port: 443 }], ...says('secure') }, says('plain')))
  t.equal((await ask(router.https, host, { tls: { ca: router.ca } })).body, 'secure')
  t.equal((await ask(router.http, host)).body, 'plain')
})

behaviour(
  'the matches of a rule are alternatives, their conditions hold together, and the first rule wins',
  async ({ t, router, mesh, apply }) => {
    const { host } = await mesh.serve()
    await apply(
      virtualService(
        host,
        { match: [{ uri: { prefix: '/a' }, headers: { 'x-a': { exact: '1' } } }, { uri: { exact: '/b' } }], ...says('first') },
        { match: [{ uri: { prefix: '/a' } }], ...says('second') },
        says('third'),
      ),
    )
    const expected: [string, Record<string, string>, string][] = [
      ['/a', { 'x-a': '1' }, 'first'],
      ['/b', {}, 'first'],
      ['/a', {}, 'second'],
      ['/c', { 'x-a': '1' }, 'third'],
    ]
    for (const [path, headers, body] of expected) t.equal((await ask(router.http, host, { path, headers })).body, body, path)
  },
)

behaviour(
  'a path that no rule matches is 404, and a rule that is deleted leaves the route as it was',
  async ({ t, router, mesh, apply }) => {
    const { host, instances } = await mesh.serve()
    await apply(virtualService(host, { match: [{ uri: { prefix: '/a' } }], ...says('rule') }))
    t.equal((await ask(router.http, host)).status, 404)
    t.equal((await ask(router.http, host, { path: '/a' })).body, 'rule')
    await mesh.call('DELETE', `/v1/resources/virtualservice/dev/${host.replaceAll('.', '-')}`)
    t.equal((await mesh.until(() => ask(router.http, host), 200)).body, `instance ${instances[0]?.guid}`)
  },
)

behaviour('rules shape the route of their own path only', async ({ t, router, mesh, apply }) => {
  const host = mesh.host()
  await mesh.serve({ host, path: '/a' })
  await apply(virtualService(host, says('rule')))
  for (const [path, status] of [
    ['/a', 200],
    ['/a/b', 200],
    ['/ab', 404],
    ['/', 404],
  ] as const)
    t.equal((await ask(router.http, host, { path })).status, status, path)
})

behaviour('a delegate decides beneath the rule that names it, with what that rule says', async ({ t, router, mesh, apply }) => {
  const { host } = await mesh.serve()
  const delegate = {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: `${host.split('.')[0]}-delegate` },
    spec: { http: [{ match: [{ uri: { prefix: '/a/x' } }], ...says('x') }, says('a')] },
  }
  await apply(
    delegate,
    virtualService(
      host,
      {
        match: [{ uri: { prefix: '/a' } }],
        delegate: { name: `${host.split('.')[0]}-delegate`, namespace: 'space' },
        headers: { response: { set: { 'x-root': 'yes' } } },
      },
      says('root'),
    ),
  )
  for (const [path, body] of [
    ['/a/x', 'x'],
    ['/a/y', 'a'],
    ['/b', 'root'],
  ] as const) {
    const answer = await ask(router.http, host, { path })
    t.equal(answer.body, body)
    t.equal(answer.headers['x-root'], body === 'root' ? undefined : 'yes')
  }
})

behaviour('the short name of a service, a wildcard and several hosts are named alike', async ({ t, router, mesh, apply }) => {
  const domain = mesh.host()
  const [one, other] = [await mesh.serve({ host: `a.${domain}` }), await mesh.serve({ host: `b.${domain}` })]
  await mesh.serve({ host: `*.${domain}` })
  const rules = virtualService(`*.${domain}`, says('wildcard')) as { spec: { hosts: string[] } }
  await apply(rules)
  for (const host of [one.host, other.host, `c.${domain}`]) t.equal((await ask(router.http, host)).body, 'wildcard', host)
  await apply({ ...rules, spec: { ...rules.spec, hosts: [one.host, other.host] } })
  for (const host of [one.host, other.host]) t.equal((await ask(router.http, host)).body, 'wildcard', host)
  t.match((await ask(router.http, `c.${domain}`)).body, /^instance/)
})
