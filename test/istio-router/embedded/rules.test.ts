import { create } from '@bufbuild/protobuf'
import { test } from 'tap'
import { LocalRateLimitSchema } from '../../../src/common/proto/gen/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit_pb.js'
import { XRateLimitHeadersRFCVersion } from '../../../src/common/proto/gen/envoy/extensions/common/ratelimit/v3/ratelimit_pb.js'
import type { Exchange } from '../../../src/istio-router/embedded/exchange.ts'
import { localRateLimit } from '../../../src/istio-router/embedded/filters/local-rate-limit.ts'
import { Headers } from '../../../src/istio-router/embedded/http/headers.ts'
import { compileRegex } from '../../../src/istio-router/embedded/http/regex.ts'
import { bucketOf } from '../../../src/mesh/bucket.ts'
import { packed } from '../../../src/pilot/translate/proto.ts'
import { ask, askHttp2, http2 } from '../../support/client.ts'
import { destination, resource, route } from '../../pilot/records.ts'
import { TestRouter } from './support.ts'

test('hosts with rules are found in their buckets, and all others as ever', async (t) => {
  const router = await TestRouter.start(t, { settings: { routingShape: 'buckets' } })
  await router.serve({ host: 'plain.test' })
  const hosts = ['a.test', 'b.test', 'some.longer-host.example.test']
  t.same(
    await router.change([
      ...hosts.map((host) => route(host, [destination([])])),
      ...hosts.map((host, position) =>
        resource('VirtualService', `r${position}`, {
          hosts: [host],
          http: [
            { match: [{ uri: { prefix: '/rule' } }], directResponse: { status: 418 } },
            { fault: { abort: { httpStatus: 555 } }, route: [{ destination: { host } }] },
          ],
        }),
      ),
    ]),
    [],
  )
  const status = async (host: string, path: string, headers = {}): Promise<number> =>
    (await ask(router.http, host, { path, headers })).status
  for (const host of hosts)
    t.same(
      [await status(host, '/rule'), await status(`${host.toUpperCase()}.:80`, '/rule'), await status(host, '/')],
      [418, 418, 555],
      host,
    )
  t.same([await status('plain.test', '/rule'), await status('nobody.test', '/rule')], [200, 404])
  t.equal(await status('a.test', '/rule', { 'x-mesh-bucket': `pub/${bucketOf('plain.test')}` }), 418, 'what a client sends is replaced')
})

test('texts of rules beyond ASCII reach app and client as UTF-8', async (t) => {
  const router = await TestRouter.start(t)
  const { host } = await router.serve({
    http2Handler: (request, response) => response.end(Buffer.from(request.url, 'latin1')),
  })
  const served = [{ destination: { host } }]
  await router.change([
    resource('VirtualService', 'utf8', {
      hosts: [host],
      http: [
        { match: [{ uri: { prefix: '/redirect' } }], redirect: { uri: '/中', authority: 'é.test' } },
        {
          match: [{ uri: { prefix: '/prefix' } }],
          rewrite: { uri: '/é中' },
          headers: { response: { set: { 'x-back': 'é中' } } },
          route: served,
        },
        { rewrite: { uriRegexRewrite: { match: '/(.)', rewrite: '/中\\1' } }, route: served },
      ],
    }),
  ])
  const utf8 = (text: unknown): string => Buffer.from(String(text), 'latin1').toString()
  t.equal(utf8((await ask(router.http, host, { path: '/redirect' })).headers.location), 'http://é.test/中')
  const { headers, body } = await ask(router.http, host, { path: '/prefix' })
  t.same([utf8(headers['x-back']), body], ['é中', '/é中'])
  t.match((await ask(router.http, host, { path: '/x' })).body, '/中x')
})

test('a rule that sets a field of the connection sets it over HTTP/1.1 alone', async (t) => {
  const router = await TestRouter.start(t)
  const { host } = await router.serve()
  const http = [{ headers: { response: { set: { connection: 'close', 'x-back': 'yes' } } }, route: [{ destination: { host } }] }]
  await router.change([resource('VirtualService', 'connection', { hosts: [host], http })])
  t.match((await ask(router.http, host)).headers, { connection: 'close', 'x-back': 'yes' })
  const session = http2(router.http)
  t.match((await askHttp2(session, { ':path': '/', ':authority': host })).headers, { ':status': 200, 'x-back': 'yes' })
  session.close()
})

test('times that are longer than timers wait are no short ones', async (t) => {
  const router = await TestRouter.start(t)
  const { host, instances } = await router.serve()
  await router.change([
    resource('VirtualService', 'patient', {
      hosts: [host],
      http: [{ timeout: '1000h', retries: { attempts: 1, perTryTimeout: '1000h' }, route: [{ destination: { host } }] }],
    }),
    resource('DestinationRule', 'patient', {
      host,
      trafficPolicy: {
        connectionPool: { http: { idleTimeout: '1000h' }, tcp: { connectTimeout: '1000h', maxConnectionDuration: '1000h' } },
        loadBalancer: { consistentHash: { httpCookie: { name: 'c', ttl: '1000h' } } },
      },
    }),
  ])
  for (let i = 0; i < 3; i++) {
    const { status, headers } = await ask(router.http, host)
    t.equal(status, 200)
    t.match(headers['set-cookie'], [/Max-Age=3600000/])
  }
  t.equal(instances[0]!.connections, 1)
})

test('a rule whose texts no router can write harms its own requests alone', async (t) => {
  const router = await TestRouter.start(t)
  const { host } = await router.serve()
  const other = await router.serve()
  await router.change([
    resource('VirtualService', 'control', {
      hosts: [host],
      http: [
        { match: [{ uri: { prefix: '/redirect' } }], redirect: { uri: '/\x01' } },
        {
          match: [{ uri: { prefix: '/rewrite' } }],
          rewrite: { uri: '/\x01' },
          mirror: { host: other.host },
          route: [{ destination: { host } }],
        },
      ],
    }),
  ])
  for (let i = 0; i < 2; i++) {
    // The second copy finds a connection that is open already.
    t.equal((await ask(router.http, other.host)).status, 200)
    t.equal((await ask(router.http, host, { path: '/rewrite' })).status, 502)
  }
  await t.rejects(ask(router.http, host, { path: '/redirect' }))
  t.match(await router.logged(({ path }) => path === '/redirect'), { details: 'response_cannot_be_written' })
})

test('a regular expression means what it means to RE2, and none takes long', (t) => {
  const cases: [string, string, boolean][] = [
    ['a|b', 'ab', false],
    ['/a/[0-9]+(/x)?', '/a/12/x', true],
    ['(?i)ABC', 'abc', true],
    ['\\d+', '12', true],
    ['[[:alpha:]]+', 'abc', true],
    ['a.c', 'a\nc', true],
    ['.*x.*', `${'y'.repeat(50)}x`, true],
    ['\\pL+', 'é', true],
    ['a?b?c', 'bc', true],
    ['(a|ab)(c|bcd)', 'abcd', true],
    ['a{2,3}', 'aaaa', false],
  ]
  for (const [regex, text, matches] of cases) t.equal(compileRegex(regex, 'at').matches(text), matches, `${regex} on ${text}`)
  for (const regex of ['(a+)+$', '(a|a)*', '(a*)*b', `${'a?'.repeat(30)}${'a'.repeat(30)}`])
    compileRegex(regex, 'at').matches(`${'a'.repeat(30)}!`)
  t.equal(compileRegex('^/v([0-9]+)/(.*)', 'at').replace('/v2/x', '/$2/$1'), '/x/2')
  t.throws(() => compileRegex('(', 'match.regex'), /match.regex: \( is not a regular expression/)
  t.end()
})

/** Asks a rate limit about requests: the status and headers of each answer. */
function limiting(fields: object) {
  const message = {
    statPrefix: 'test',
    filterEnabled: { defaultValue: { numerator: 100 } },
    filterEnforced: { defaultValue: { numerator: 100 } },
    ...fields,
  }
  const filter = localRateLimit.perRoute!(packed(LocalRateLimitSchema, message), 'at')
  return (address = '10.0.0.1', headers: string[] = []): { status: number; headers: Record<string, string> } => {
    const answer = { status: 200, headers: new Headers() }
    const exchange = {
      client: { address, port: 1 },
      requestHeader: (name: string) => new Headers(headers).get(name),
      reply: (status: number, _text: string, _flag: string, _detail: string, list: string[]) =>
        Object.assign(answer, { status, headers: new Headers([...list]) }),
    } as unknown as Exchange
    filter.request?.(new Headers(headers), exchange)
    filter.response?.(answer.headers, exchange)
    const { list } = answer.headers
    return { status: answer.status, headers: Object.fromEntries(list.flatMap((name, i) => (i % 2 === 0 ? [[name, list[i + 1]!]] : []))) }
  }
}

const hour = { seconds: 3600n, nanos: 0 }

test('a rate limit lets its burst pass and tells the others when to come back', (t) => {
  const ask = limiting({
    tokenBucket: { maxTokens: 3, tokensPerFill: 3, fillInterval: hour },
    enableRetryAfterHeader: true,
    enableXRatelimitHeaders: XRateLimitHeadersRFCVersion.DRAFT_VERSION_03,
  })
  t.match(ask(), { status: 200, headers: { 'x-ratelimit-limit': '3', 'x-ratelimit-remaining': '2' } })
  t.same([ask().status, ask().status], [200, 200])
  const refused = ask()
  t.match(refused, { status: 429, headers: { 'x-ratelimit-remaining': '0' } })
  t.ok(Number(refused.headers['retry-after']) > 1190 && Number(refused.headers['retry-after']) <= 1200)
  t.end()
})

test('a rate limit counts for each client, or each value of a header, and a route that is compiled again counts on', (t) => {
  const descriptor = (key: string) => ({
    tokenBucket: { maxTokens: 1_000_000, tokensPerFill: 1, fillInterval: hour },
    descriptors: [{ entries: [{ key, value: '' }], tokenBucket: { maxTokens: 2, tokensPerFill: 2, fillInterval: hour } }],
    maxDynamicDescriptors: 2,
  })
  const perClient = {
    ...descriptor('remote_address'),
    rateLimits: [{ actions: [{ actionSpecifier: { case: 'remoteAddress', value: {} } }] }],
  }
  const client = limiting(perClient)
  t.same(
    ['a', 'a', 'a', 'b'].map((address) => client(address).status),
    [200, 200, 429, 200],
  )
  t.equal(limiting(perClient)('a').status, 429, 'the very same configuration is the very same count')
  t.same(
    ['c', 'a'].map((address) => client(address).status),
    [200, 429],
    'b was the longest unused',
  )
  const header = limiting({
    ...descriptor('user'),
    rateLimits: [{ actions: [{ actionSpecifier: { case: 'requestHeaders', value: { headerName: 'X-User', descriptorKey: 'user' } } }] }],
  })
  t.same(
    [
      header('a', ['x-user', '1']),
      header('b', ['x-user', '1']),
      header('c', ['x-user', '1']),
      header('a', ['x-user', '2']),
      header('a'),
    ].map(({ status }) => status),
    [200, 200, 429, 200, 200],
  )
  t.end()
})

test('what a rate limit asks for and this engine does not do is refused', (t) => {
  t.throws(() => localRateLimit.perRoute!(packed(LocalRateLimitSchema, create(LocalRateLimitSchema, { stage: 3 })), 'at'), /at\.stage/)
  t.end()
})
