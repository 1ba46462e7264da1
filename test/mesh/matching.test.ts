import { test } from 'tap'
import * as fc from 'fast-check'
import { normalizeHost } from '../../src/mesh/host.ts'
import { normalizePath, splitTarget } from '../../src/mesh/path.ts'
import { candidates, findRoute, limits, routeFault } from '../../src/mesh/matching.ts'

test('a host loses its case, its port and one trailing dot', (t) => {
  for (const [authority, host] of [
    ['A.Example', 'a.example'],
    ['a.example:8080', 'a.example'],
    ['a.example:', 'a.example'],
    ['a.example.', 'a.example'],
    ['a.example.:80', 'a.example'],
    ['a.example..', 'a.example.'],
    ['[FE80::1]:80', '[fe80::1]'],
    ['[::1]', '[::1]'],
    ['', ''],
    ['İ.example', 'İ.example'],
  ] as const) {
    t.equal(normalizeHost(authority), host, authority)
  }
  t.end()
})

// What Envoy 1.40 made of each, observed; test/pilot/matching.test.ts asks it again about random ones.
const observed: [path: string, normal: string | undefined][] = [
  ['/', '/'],
  ['/a/../b', '/b'],
  ['/a/%2e%2E/b', '/b'],
  ['/a/..', '/'],
  ['/../../x', '/x'],
  ['/a/.', '/a/'],
  ['/a/./b', '/a/b'],
  ['/a//b', '/a/b'],
  ['/a///', '/a/'],
  ['//', '//'],
  ['/a//../b', '/a/b'],
  ['/a//..', '/a/'],
  ['/a/..;x;y/b', '/b'],
  ['/a/.;', '/a/'],
  ['/a/%2e%2e;x/b', '/a/..;x/b'],
  ['/a/..%3bx/b', '/a/..%3bx/b'],
  ['/a/..;x\\b', '/'],
  ['/a\\..;x/b', '/a/..;x/b'],
  ['/a/b;x/..', '/a/'],
  ['/a%2Fb', '/a%2Fb'],
  ['/%2f/a', '/%2f/a'],
  ['/%61%2f%2e%2e%2fb', '/a%2f..%2fb'],
  ['/a\\..\\b', '/b'],
  ['/a%5Cb', '/a%5Cb'],
  ['/%7e%2D%5f%2e%20', '/~-_.%20'],
  ['/%zz', '/%zz'],
  ['/a%', '/a%'],
  ['/%4', '/%4'],
  ['/%%34%31', '/%2541'],
  ['/%4%31', '/%2541'],
  ['/%%341', '/%2541'],
  ['/%25%32%65', '/%252e'],
  ['/a/%252e%252e/b', '/a/%252e%252e/b'],
  ['/"<>^`{|}', '/%22%3C%3E%5E%60%7B%7C%7D'],
  ["/[]:;@!$&'()*+,=", "/[]:;@!$&'()*+,="],
  ['/a/...', '/a/...'],
  ['/a/.b', '/a/.b'],
  ['/a%01b', '/a%01b'],
  ['/a%00b', undefined],
  ['/a b', undefined],
  ['/é', undefined],
  ['/a#b', undefined],
  ['*', undefined],
  ['', undefined],
  ['a', undefined],
]

test('a path has one normal form', (t) => {
  for (const [path, normal] of observed) t.equal(normalizePath(path), normal, path)
  t.end()
})

const dirtyPath = fc
  .array(fc.constantFrom('/', '/', '.', '..', 'a', 'B', '%', '%2', '%2e', '%2F', '%41', '4', '1', '\\', '%5c', '%25', '~', '{', '%7B'), {
    maxLength: 16,
  })
  .map((parts) => `/${parts.join('')}`)

test('a normal form has no dot segments, no double slashes and no escape that hides a letter', (t) => {
  fc.assert(
    fc.property(dirtyPath, (path) => {
      const normal = normalizePath(path)!
      return (
        !normal.split('/').some((segment) => segment === '.' || segment === '..') && !/\/\/./.test(normal) && !/%(41|2e|7e)/i.test(normal)
      )
    }),
  )
  t.end()
})

test('a target is parted at its first question mark', (t) => {
  t.same(splitTarget('/a?b?c'), { path: '/a', query: '?b?c' })
  t.same(splitTarget('/a'), { path: '/a', query: '' })
  t.end()
})

test('candidates go from the exact host and longest path to the shortest wildcard', (t) => {
  t.same(candidates('pub', 'a.b.c', '/x/y'), [
    'pub/a.b.c/x/y',
    'pub/a.b.c/x',
    'pub/a.b.c',
    'pub/*.b.c/x/y',
    'pub/*.b.c/x',
    'pub/*.b.c',
    'pub/*.c/x/y',
    'pub/*.c/x',
    'pub/*.c',
  ])
  t.same(candidates('int', 'h', '/'), ['int/h'])
  t.same(candidates('int', 'h', '/x/'), ['int/h/x', 'int/h'], 'a trailing slash is no segment')
  t.same(candidates('pub', 'h', '//'), ['pub/h'])
  t.end()
})

test('a host that is none has no candidates', (t) => {
  t.same(candidates('pub', '', '/'), [])
  t.same(candidates('pub', 'a/b', '/'), [], 'it cannot pose as a host with a path')
  t.end()
})

test('the number of candidates is bounded', (t) => {
  const host = Array.from({ length: 100 }, (_, n) => `l${n}`).join('.')
  const path = '/s'.repeat(1000)
  t.equal(candidates('pub', host, path).length, (limits.segments + 1) * (limits.labels + 1))
  t.end()
})

/** The definition, said plainly: of the routes that cover the request, the most specific. */
function mostSpecific(routes: { host: string; path: string }[], host: string, path: string): string | undefined {
  const covers = (route: { host: string; path: string }): boolean =>
    (route.host === host || (route.host.startsWith('*.') && host.endsWith(route.host.slice(1)))) &&
    (path === route.path || path.startsWith(`${route.path}/`))
  const rank = (route: { host: string; path: string }): [number, number, number] => [
    route.host === host ? 1 : 0,
    route.host.length,
    route.path.length,
  ]
  const [best] = routes.filter(covers).sort((a, b) => {
    const [left, right] = [rank(a), rank(b)]
    return right[0] - left[0] || right[1] - left[1] || right[2] - left[2]
  })
  return best && `pub/${best.host}${best.path}`
}

test('the most specific route wins, on segment boundaries', (t) => {
  const host = fc.array(fc.constantFrom('a', 'b'), { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'))
  const pattern = fc.tuple(fc.boolean(), host).map(([wild, host]) => (wild ? `*.${host}` : host))
  const prefix = fc
    .array(fc.constantFrom('x', 'xy', 'y'), { maxLength: 3 })
    .map((segments) => segments.map((segment) => `/${segment}`).join(''))
  fc.assert(
    fc.property(
      fc.array(fc.record({ host: pattern, path: prefix }), { maxLength: 12 }),
      host,
      prefix,
      fc.boolean(),
      (routes, host, path, slash) => {
        const asked = slash || !path ? `${path}/` : path
        const keys = new Set(routes.map((route) => `pub/${route.host}${route.path}`))
        t.equal(
          findRoute('pub', host, asked, (key) => keys.has(key)),
          mostSpecific(routes, host, asked),
        )
      },
    ),
  )
  t.end()
})

test('a route that no request can match is told why', (t) => {
  t.equal(routeFault({ host: 'a.example', path: '' }), undefined)
  t.equal(routeFault({ host: '*.a.example', path: '/x/y' }), undefined)
  for (const [host, path, fault] of [
    ['A.example', '', /no host name/],
    ['a..b', '', /no host name/],
    ['a.example:80', '', /no host name/],
    ['a.*.b', '', /no host name/],
    ['*', '', /no host name/],
    [`*.${'l.'.repeat(limits.labels)}l`, '', /8 labels/],
    ['a', '/', /write none/],
    ['a', '/x/', /write \/x/],
    ['a', '/x//y', /write \/x\/y/],
    ['a', '/%61', /write \/a/],
    ['a', 'x', /no path/],
    ['a', '/x?y', /no path/],
    ['a', '/s'.repeat(limits.segments + 1), /8 segments/],
  ] as const) {
    t.match(routeFault({ host, path }), fault, `${host}${path}`)
  }
  t.end()
})
