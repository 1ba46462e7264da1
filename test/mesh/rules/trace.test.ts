import { test } from 'tap'
import type { HttpMatch, HttpRoute } from '../../../src/mesh/istio/types.ts'
import { recordSource } from '../../../src/mesh/rules/record-source.ts'
import { parseHeaders, rulesOf, traceRules, type TracedRequest } from '../../../src/mesh/rules/trace.ts'
import { resource, route } from '../../pilot/records.ts'

const shop = route('shop.test', [])
const to: HttpRoute = { route: [{ destination: { host: 'shop.test' } }] }
const request: TracedRequest = {
  method: 'GET',
  scheme: 'http',
  authority: 'shop.test',
  path: '/a',
  query: 'q=1',
  headers: parseHeaders(['X-One: 1', 'x-two:a', 'X-Two: b']),
}

function rules(http: HttpRoute[], gateways?: string[]) {
  const gateway = resource('Gateway', 'g', {
    servers: [{ hosts: ['*'], port: { number: 443, name: 'https', protocol: 'HTTPS' }, tls: { mode: 'SIMPLE', credentialName: 'x' } }],
  })
  return rulesOf(
    recordSource([shop, gateway, resource('VirtualService', 'v', { hosts: ['shop.test'], ...(gateways ? { gateways } : {}), http })]),
    shop.value!,
  )!
}
const why = (match: HttpMatch, asked: Partial<TracedRequest> = {}, gateways?: string[]): string | undefined => {
  const {
    rules: [rule],
  } = traceRules(rules([{ match: [match], ...to }], gateways), { ...request, ...asked })
  return rule!.matched ? undefined : rule!.why
}

const cases: [match: HttpMatch, asked: Partial<TracedRequest>, missed: RegExp][] = [
  [{ uri: { exact: '/a' } }, { path: '/a/b' }, /the path is "\/a\/b", not "\/a"/],
  [{ uri: { prefix: '/A' }, ignoreUriCase: true }, { path: '/b' }, /begins with "\/A"/],
  [{ uri: { regex: '/[a-c]' } }, { path: '/ab' }, /the path/],
  [{ method: { exact: 'GET' } }, { method: 'POST' }, /the method is "POST", not "GET"/],
  [{ scheme: { exact: 'http' } }, { scheme: 'https' }, /the scheme/],
  [{ authority: { prefix: 'shop.' } }, { authority: 'other.test' }, /the host/],
  [{ headers: { 'x-one': { exact: '1' } } }, { headers: [] }, /header x-one is not there/],
  [
    { headers: { 'X-Two': { exact: 'b' } } },
    {
      headers: [
        ['x-two', 'a'],
        ['x-two', 'a,b'],
      ],
    },
    /header X-Two is "a", "a,b", not "b"/,
  ],
  [{ headers: { 'x-one': {} } }, { headers: [] }, /not anything/],
  [{ withoutHeaders: { 'x-no': {} } }, { headers: [['x-no', '']] }, /header x-no is anything, which it is not for/],
  [{ withoutHeaders: { 'x-one': { exact: '2' } } }, { headers: [['x-one', '2']] }, /header x-one is "2"/],
  [{ queryParams: { q: { exact: '1' } } }, { query: 'q=2' }, /parameter q is "2"/],
  [{ port: 80 }, { scheme: 'https' }, /the port is 443, not 80/],
]

for (const [match, asked, missed] of cases) {
  test(`${JSON.stringify(match)} holds or says why not`, (t) => {
    t.equal(why(match), undefined)
    t.match(why(match, asked), missed)
    t.end()
  })
}

test('rules of a Gateway are for what arrives at its ports, rules for callers for those with a certificate', (t) => {
  t.equal(why({}, { scheme: 'https' }, ['g']), undefined)
  t.match(why({}, {}, ['g']), /Gateways' ports 443/)
  t.match(why({ sourceLabels: { app: 'a' } }), /certificate/)
  t.end()
})

test('the first rule that matches decides, and what it does is said', (t) => {
  const traced = traceRules(
    rules([
      { match: [{ uri: { prefix: '/b' } }], ...to },
      { match: [{ uri: { prefix: '/a' }, name: 'mine' }], redirect: { uri: '/c', redirectCode: 302 } },
      to,
    ]),
    request,
  )
  t.match(traced, {
    rules: [
      { rule: 'space/v http[0]', matched: false },
      { rule: 'space/v http[1]', matched: true, why: 'mine of 1 holds' },
    ],
    outcome: { status: 302, does: 'redirects to the same host/c' },
  })
  t.equal(traced.rules.length, 2)
  t.match(traceRules(rules([{ ...to, fault: { abort: { httpStatus: 500 } } }]), request), {
    rules: [{ why: 'it is for all requests' }],
    outcome: { does: 'sends to shop.test, with injected faults', targets: [{ host: 'shop.test', share: 1 }] },
  })
  t.equal(traceRules(rules([{ match: [{ uri: { prefix: '/b' } }], ...to }]), request).outcome, undefined)
  t.end()
})
