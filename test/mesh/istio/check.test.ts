import { test } from 'tap'
import { checkDocument, checkText } from '../../../src/mesh/istio/check.ts'

const head = (kind: string): string => `apiVersion: networking.istio.io/v1\nkind: ${kind}\nmetadata: {name: x}\nspec:\n`
function errors(kind: string, spec: string, namespace = 'space'): string[] {
  const [{ findings } = { findings: [] }] = checkText(head(kind) + spec.replace(/^/gm, '  '), namespace)
  return findings.filter(({ severity }) => severity === 'error').map(({ path, message }) => `${path}: ${message}`)
}
const http = (rule: string): string[] => errors('VirtualService', `hosts: [a.test]\nhttp:\n- ${rule.replaceAll('\n', '\n  ')}`)
const route = 'route: [{destination: {host: a}}]'

const wrong: [name: string, found: string[], expected: RegExp[]][] = [
  ['unknown field', http(`${route}\nretrys: {}`), [/retrys: .*did you mean retries/]],
  ['snake case', http(`${route}\nretries: {attempts: 1, per_try_timeout: 1s}`), [/did you mean perTryTimeout/]],
  [
    'weight and timeout at once',
    http('route: [{destination: {host: a}, weight: -1}]\ntimeout: 5'),
    [/timeout: must be a string, is a number; write "5"/, /route\[0\]\.weight: -1/],
  ],
  [
    'a weight that is no number, and a timeout that is none',
    http('route: [{destination: {host: a}, weight: 80x}]\ntimeout: 5 parsecs\nretries: {attempts: 1, retryOn: nonsense}'),
    [/weight: must be a number/, /timeout: .*5 parsecs/, /"nonsense" is no reason/],
  ],
  ['short duration', http(`${route}\ntimeout: 0.5ms`), [/shorter than a millisecond/]],
  ['weights', http('route: [{destination: {host: a}}, {destination: {host: b}}]'), [/need weights/]],
  ['lookahead', http(`match: [{uri: {regex: "(?=a)"}}]\n${route}`), [/no RE2 expression/]],
  ['two kinds of match', http(`match: [{uri: {exact: /a, prefix: /b}}]\n${route}`), [/only one of exact and prefix/]],
  ['retryOn', http(`${route}\nretries: {attempts: 1, retryOn: "5xx,nonsense"}`), [/"nonsense" is no reason/]],
  ['platform header', http(`${route}\nheaders: {request: {set: {X-CF-ApplicationID: a}}}`), [/belongs to the platform/]],
  [
    'the length of a message',
    http(`${route}\nheaders: {response: {set: {Content-Length: "3"}}}`),
    [/Content-Length says where a message ends/],
  ],
  [
    "a router's environment",
    http(`${route}\nheaders: {response: {set: {a: "%ENVIRONMENT(PATH)%"}}}`),
    [/%ENVIRONMENT\(PATH\)% is no variable/],
  ],
  ['a variable without its name', http(`${route}\nheaders: {request: {set: {a: "b %REQ%"}}}`), [/%REQ% does not say which/]],
  ['a variable with too much', http(`${route}\nheaders: {request: {set: {a: "%DURATION():3%"}}}`), [/write %DURATION%/]],
  ['a single percent sign', http(`${route}\nheaders: {request: {set: {a: "50% off"}}}`), [/single %/]],
  [
    'two lines as a host',
    http(`${route}\nrewrite: {authority: "a\\nb", uri: "/\\0"}`),
    [/rewrite\.uri: has a control/, /rewrite\.authority: has/],
  ],
  ['two lines as a redirect', http('redirect: {authority: "a\\nb"}'), [/redirect\.authority: has a control/]],
  ['a parameter without name', http(`match: [{queryParams: {"": {exact: a}}}]\n${route}`), [/queryParams\[""\]: has no name/]],
  ['a character by its number', http(`match: [{uri: {regex: '/\\x{100}'}}]\n${route}`), [/\\x\{100\} is no byte/]],
  ['a time beyond all times', http(`${route}\ntimeout: 3000000h`), [/timeout: 3000000h is too long; write at most 2562047h/]],
  [
    'a keepalive that Linux refuses',
    errors('DestinationRule', 'host: a\ntrafficPolicy: {connectionPool: {tcp: {tcpKeepalive: {time: 10h}}}}'),
    [/tcpKeepalive\.time: 10h is too long; write at most 9h/],
  ],
  [
    'an address of an interface',
    errors(
      'ServiceEntry',
      'hosts: [a.test]\nports: [{name: http, number: 80, protocol: HTTP}]\nresolution: STATIC\nendpoints: [{address: "2001:db8::1%eth0"}]',
    ),
    [/has a zone/],
  ],
  ...['2002:a00:1::', '64:ff9b:1::a00:1', '::10.0.0.1'].map((address): (typeof wrong)[number] => [
    `a private address within ${address}`,
    errors(
      'ServiceEntry',
      `hosts: [a.test]\nports: [{name: http, number: 80, protocol: HTTP}]\nresolution: STATIC\nendpoints: [{address: "${address}"}]`,
    ),
    [/private address/],
  ]),
  [
    'a group that the match lacks',
    http(`${route}\nrewrite: {uriRegexRewrite: {match: "/(.*)", rewrite: '/\\1/\\2'}}`),
    [/\\2 is no group of the match, which has 1/],
  ],
  ['an escape that is none', http(`${route}\nrewrite: {uriRegexRewrite: {match: "/(.*)", rewrite: '/\\d\\'}}`), [/"\\\\d" is no group/]],
  [
    'a cookie that cannot be written',
    errors(
      'DestinationRule',
      'host: a\ntrafficPolicy: {loadBalancer: {consistentHash: {httpCookie: {name: "a b", path: "/;", attributes: [{name: SameSite, value: "a\\nb"}]}}}}',
    ),
    [/"a b" is no name of a cookie/, /path: has a control/, /attributes\[0\].value: has a control/],
  ],
  [
    'a hash by no header',
    errors('DestinationRule', 'host: a\ntrafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: "a b"}}}'),
    [/"a b" is no name of a header/],
  ],
  ['fault share', http(`${route}\nfault: {abort: {httpStatus: 503, percentage: {value: 0.00001}}}`), [/0\.0001 to 100/]],
  ['grpc status', http(`${route}\nfault: {abort: {grpcStatus: NOPE}}`), [/"NOPE" is none of/]],
  ['redirect beside route', http(`${route}\nredirect: {uri: /b}`), [/stands beside redirect/]],
  ['nothing to do', http('name: a'), [/needs a route, redirect/]],
  ['http2Error', http(`${route}\nfault: {abort: {http2Error: a}}`), [/not supported: Istio has never/]],
  ['wildcard of the mesh', errors('VirtualService', `hosts: ["*"]\nhttp: [{${route}}]`), [/takes every host/]],
  [
    'sourceLabels at a gateway',
    errors('VirtualService', `hosts: [a.test]\ngateways: [g]\nhttp: [{match: [{sourceLabels: {a: b}}], ${route}}]`),
    [/known by their certificate/],
  ],
  ['balancer', errors('DestinationRule', 'host: a\ntrafficPolicy: {loadBalancer: {simple: ROUND_ROBN}}'), [/did you mean ROUND_ROBIN/]],
  [
    'maglev',
    errors('DestinationRule', 'host: a\ntrafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true, maglev: {tableSize: 10}}}}'),
    [/no prime/],
  ],
  [
    'files of a space',
    errors('DestinationRule', 'host: a\ntrafficPolicy: {tls: {mode: SIMPLE, caCertificates: /etc/passwd}}'),
    [/files are the operator's/],
  ],
  [
    'private address',
    errors(
      'ServiceEntry',
      'hosts: [a.test]\nports: [{name: http, number: 80, protocol: HTTP}]\nresolution: STATIC\nendpoints: [{address: 169.254.169.254}]',
    ),
    [/private address/],
  ],
  [
    'mapped loopback',
    errors(
      'ServiceEntry',
      'hosts: [a.test]\nports: [{name: http, number: 80, protocol: HTTP}]\nresolution: STATIC\nendpoints: [{address: "::ffff:127.0.0.1"}]',
    ),
    [/private address/],
  ],
  ...['STATIC', 'DNS', 'NONE'].map((resolution): (typeof wrong)[number] => [
    `a wildcard outside (${resolution})`,
    errors('ServiceEntry', `hosts: [a.test, "*.b.test"]\nports: [{name: http, number: 80, protocol: HTTP}]\nresolution: ${resolution}`),
    [/spec\.hosts\[1\]: \*\.b\.test is refused: .* write each host by its name/],
  ]),
  [
    'TCP of a space',
    errors('Gateway', 'servers: [{hosts: [a.test], port: {number: 1, name: a, protocol: TCP}}]'),
    [/TCP ports are the operator's/],
  ],
  ['other kinds', errors('EnvoyFilter', 'a: 1'), [/EnvoyFilter is not accepted/]],
  ['misspelt kind', errors('VirtualServce', 'a: 1'), [/did you mean VirtualService/]],
]

for (const [name, found, expected] of wrong) {
  test(`${name} is refused`, (t) => {
    for (const one of expected)
      t.ok(
        found.some((error) => one.test(error)),
        `${String(one)} in ${JSON.stringify(found)}`,
      )
    t.end()
  })
}

test('of what is not of its shape nothing else is told', (t) => {
  t.same(
    errors('VirtualService', `hosts: a.test\nhttp: [{match: {}, ${route}}, {${route}}]`).map((error) => error.split(':')[0]),
    ['spec.hosts', 'spec.http[0].match'],
  )
  t.same(
    http('route: [{destination: {host: a}, weight: many}, {destination: {host: b}}]').map((error) => error.split(':')[0]),
    ['spec.http[0].route[0].weight'],
  )
  t.same(
    errors('VirtualService', 'hosts: [a.test]\nhttp: [1, {name: no action}]').map((error) => error.split(':')[0]),
    ['spec.http[0]'],
  )
  t.end()
})

test('a resource of any size is checked without holding up others for long', (t) => {
  const host = (n: number): string => `h${n}.test`
  const rules = (count: number) => Array.from({ length: count }, (_, n) => ({ match: [{ uri: { prefix: `/${n}/` } }], route: to }))
  const to = [{ destination: { host: 'a' } }]
  const check = (spec: object) =>
    checkDocument({ apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'x' }, spec }, 'space')
  const many = check({ hosts: [host(0)], http: rules(6000) })
  t.match(many.findings, [{ severity: 'warning', path: 'spec.http', message: /too long to tell/ }])
  t.ok(many.resource)
  t.match(check({ hosts: [host(0)], http: rules(15_000) }), { findings: [{ code: 'MESH_FIELD_TOO_LARGE', message: /can have 1048576/ }] })
  const hosts = Array.from({ length: 20_000 }, (_, n) => host(n))
  t.same(check({ hosts, http: [{ route: to }] }).findings, [])
  const among = check({ hosts: ['a.b.test', '*.test', 'c.test', 'c.test'], http: [{ route: to }] }).findings
  t.same(
    among.map(({ path, message }) => `${path} ${message.split(' already')[0]}`),
    ['spec.hosts[0] a.b.test is among *.test', 'spec.hosts[2] c.test is among *.test', 'spec.hosts[3] c.test is among c.test'],
  )
  const tls = [{ match: [{ sniHosts: hosts.slice(0, 5000).map((one) => `sni-${one}`) }], route: to }]
  t.match(check({ hosts: hosts.slice(0, 5000), gateways: ['g'], tls }).findings[0], {
    message: 'sni-h0.test is none of the hosts h0.test, h1.test, h2.test, h3.test, h4.test, 4995 others',
  })
  const matching = (regex: string, count = 1) =>
    check({ hosts: [host(0)], http: Array.from({ length: count }, () => ({ match: [{ uri: { regex } }], route: to })) }).findings
  t.match(matching('(a{0,1000})'.repeat(90)), [{ severity: 'error', message: /too much once its repetitions are written out/ }])
  t.match(
    matching('/(a{0,1000})'.repeat(10), 40).find(({ code }) => code === 'MESH_FIELD_TOO_LARGE'),
    { severity: 'error', message: /together/ },
  )
  t.notOk(matching('^/api/v[0-9]{1,3}/[^/]{1,63}/(?:users|orders)(\\?.*)?$', 300).some(({ severity }) => severity === 'error'))
  t.end()
})

test('unreachable rules and shadowed matches are warned of', (t) => {
  const rules = `hosts: [a.test]\nhttp:\n- {name: all of a, match: [{uri: {prefix: /a}}], ${route}}\n- {match: [{uri: {prefix: /a/b}}], ${route}}\n- {${route}}\n- {match: [{uri: {exact: /c}}], ${route}}`
  const [{ findings, resource }] = checkText(head('VirtualService') + rules.replace(/^/gm, '  '), 'space') as [
    ReturnType<typeof checkText>[0],
  ]
  t.ok(resource)
  const codes = findings.map(({ code, path }) => `${code} ${path}`)
  for (const one of [
    'MESH_MATCH_SHADOWED spec.http[1].match[0]',
    'MESH_RULE_UNREACHABLE spec.http[1]',
    'MESH_RULE_UNREACHABLE spec.http[3]',
  ])
    t.ok(codes.includes(one), one)
  t.ok(
    findings.some(({ message }) => message.includes('http[0] (all of a) matches all of it')),
    'the name of the rule that takes all is told',
  )
  t.end()
})

test('tls and tcp rules that no Gateway is named for are warned of', (t) => {
  const warned = (spec: string): string[] =>
    checkText(head('VirtualService') + spec.replace(/^/gm, '  '), 'space')[0]!
      .findings.filter(({ message }) => message.includes('name a Gateway'))
      .map(({ path }) => path)
  const to = 'route: [{destination: {host: a}}]'
  const tls = `tls: [{match: [{sniHosts: [a.test]}], ${to}}]`
  t.same(warned(`hosts: [a.test]\n${tls}\ntcp: [{${to}}]`), ['spec.tls[0]', 'spec.tcp[0]'])
  t.same(warned(`hosts: [a.test]\ngateways: [mesh]\n${tls}`), ['spec.tls[0]'])
  t.same(warned(`hosts: [a.test]\ngateways: [mesh, g]\n${tls}\ntcp: [{${to}}]`), [])
  t.same(warned(`hosts: [a.test]\ntcp: [{match: [{gateways: [g]}], ${to}}]`), [])
  t.end()
})

test('YAML that is none, unknown aliases and duplicate keys are refused with their line', (t) => {
  const faults = (text: string) => checkText(text, 'space').flatMap(({ findings }) => findings)
  t.match(faults('a: ['), [{ code: 'MESH_YAML_INVALID', line: 1 }])
  t.match(faults('a: 1\nb: *x'), [{ line: 2, message: 'there is no anchor &x before *x' }])
  t.match(faults('a: 1\na: 2'), [{ line: 2 }])
  const swollen = [
    'a: &a [x, x, x, x, x, x, x, x, x, x]',
    ...['b', 'c', 'd'].map((name, level) => `${name}: &${name} [${Array.from({ length: 10 }, () => `*${'abc'[level]}`).join(', ')}]`),
  ].join('\n')
  t.match(faults(swollen), [{ line: 1, message: /^its aliases/ }])
  t.match(faults('a: &x {b: *x}'), [{ line: 1, message: /stands within what it names/ }])
  const many = faults(`a: ${'['.repeat(50)}`)
  t.equal(many.length, 11)
  t.match(many.at(-1), { message: 'and 40 more errors in the YAML of this document' })
  t.end()
})

test('aliases stand for what they name, and errors within for its line', (t) => {
  const [first] = checkText(
    `${head('VirtualService')}  hosts: [a.test]\n  http:\n  - match: [{uri: {prefix: /a}}]\n    route: &r\n    - {destination: {host: a}}\n  - route: *r\n`,
    'space',
  )
  t.match(first, {
    findings: [],
    resource: { spec: { http: [{ route: [{ destination: { host: 'a' } }] }, { route: [{ destination: { host: 'a' } }] }] } },
  })
  const [wrong] = checkText(
    `${head('VirtualService')}  hosts: [a.test]\n  http:\n  - <<: {timeout: 1s}\n    route: &r\n    - {destination: {host: a}, wieght: 1}\n  - route: *r\n`,
    'space',
  )
  const { findings, lineOf } = wrong!
  const errors = findings.filter(({ severity }) => severity === 'error')
  t.same(
    errors.map(({ path }) => path),
    ['spec.http[0].route[0].wieght', 'spec.http[1].route[0].wieght'],
  )
  t.equal(lineOf(errors[1]!.path), lineOf(errors[0]!.path))
  t.end()
})

test('a name that YAML reads as a number is to be quoted', (t) => {
  t.match(checkText(head('VirtualService').replace(/name: \w+/, 'name: 5'), 'space')[0]!.findings[0], {
    path: 'metadata.name',
    message: 'must be a string; write "5"',
  })
  t.end()
})
